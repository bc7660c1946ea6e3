//! A disk under a directory: files, names, and the images that a power cut may leave of both.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use chronicle_core::fault::{Call, FileId};

use super::dice::Dice;
use super::inode::{Content, Inode, SECTOR};
use super::names::{Names, Node, Tree};

/// The place of the boot id in `control`.
const BOOT_ID: u64 = 320;
/// The place of the durable point that readers look at, in `control`.
const DURABLE: usize = 192;

#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    names: Names,
    inodes: BTreeMap<u64, Inode>,
    buffer: Vec<u8>,
}

/// What a disk holds: the directories, and the files by their path below the root.
#[derive(Debug, Clone, Default)]
pub struct Image {
    directories: Vec<PathBuf>,
    files: Vec<(PathBuf, Content)>,
    /// Whether the processes died and the machine did not.
    pub same_boot: bool,
}

impl Disk {
    /// The disk below `root`, all of it durable.
    pub fn load(root: &Path) -> Self {
        let (mut tree, mut inodes) = (Tree::new(), BTreeMap::new());
        let mut directories = vec![root.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                let metadata = fs::metadata(&path).unwrap();
                let node = if metadata.is_dir() { Node::Directory } else { Node::File(metadata.ino()) };
                tree.insert(path.strip_prefix(root).unwrap().to_owned(), node);
                if metadata.is_dir() {
                    directories.push(path);
                } else {
                    inodes.insert(metadata.ino(), Inode::durable(&path));
                }
            }
        }
        Self { root: root.to_owned(), names: Names::durable(tree), inodes, buffer: Vec::new() }
    }

    /// Takes note of all bytes as they are now.
    pub fn look(&mut self) {
        for inode in self.inodes.values_mut() {
            inode.look(&mut self.buffer);
        }
    }

    /// A call was done.
    pub fn done(&mut self, call: &Call<'_>) {
        match *call {
            Call::Create { path } => {
                let Some(name) = self.name(path) else { return };
                let inode = fs::metadata(path).unwrap().ino();
                self.inodes.insert(inode, Inode::created(path));
                self.names.add(&name, Node::File(inode));
            }
            Call::CreateDir { path } => {
                if let Some(name) = self.name(path) {
                    self.names.add(&name, Node::Directory);
                }
            }
            Call::Rename { from, to } => {
                if let (Some(from), Some(to)) = (self.name(from), self.name(to)) {
                    self.names.rename(&from, &to);
                }
            }
            Call::Link { from, to } => {
                if let (Some(from), Some(to)) = (self.name(from), self.name(to)) {
                    self.names.link(&from, &to);
                }
            }
            Call::Remove { path } => {
                if let Some(name) = self.name(path) {
                    self.names.remove(&name);
                }
            }
            Call::SyncDir { path } => {
                if let Some(name) = self.name(path) {
                    self.names.sync(&name);
                    self.inodes.retain(|&inode, _| self.names.known(inode));
                }
            }
            Call::Sync { file } => self.flush(file, 0, usize::MAX),
            Call::Flush { file, offset, len } => self.flush(file, offset, offset + len),
            Call::Write { .. }
            | Call::Copy { .. }
            | Call::Allocate { .. }
            | Call::Zero { .. }
            | Call::FillHoles { .. }
            | Call::Punch { .. } => {}
        }
    }

    fn flush(&mut self, file: FileId, from: usize, to: usize) {
        if let Some(inode) = self.inodes.get_mut(&file.0) {
            inode.flush(from..to);
        }
    }

    fn name(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix(&self.root).ok().map(Path::to_owned)
    }

    /// The durable point that readers see, of the log whose directory has this name.
    pub fn claimed(&self, log: &str) -> u64 {
        match self.names.live.get(&Path::new(log).join("control")) {
            Some(Node::File(inode)) => self.inodes[inode].word64(DURABLE),
            _ => 0,
        }
    }

    /// What is there when the processes die.
    pub fn killed(&self) -> Image {
        self.image(&self.names.live, true, |_, inode| inode.now())
    }

    /// What may be there when the power goes.
    pub fn cut(&self, dice: &mut Dice) -> Image {
        let tree = self.names.survivor(dice);
        let overall = dice.pick(&[0, 1, 10, 50, 90, 99, 100]);
        let apart = dice.percent(50);
        self.image(&tree, false, |_, inode| {
            let lost = if apart { dice.pick(&[0, 10, 50, 90, 100]) } else { overall };
            inode.survivor(lost, dice)
        })
    }

    fn image(&self, tree: &Tree, same_boot: bool, mut of: impl FnMut(u64, &Inode) -> Content) -> Image {
        let mut image = Image { directories: Vec::new(), files: Vec::new(), same_boot };
        for (path, node) in tree {
            match node {
                Node::Directory => image.directories.push(path.clone()),
                Node::File(inode) => image.files.push((path.clone(), of(*inode, &self.inodes[inode]))),
            }
        }
        image
    }
}

impl Image {
    /// Writes it below `root`, which is empty afterwards but for it.
    pub fn write(&self, root: &Path) {
        let _ = fs::remove_dir_all(root);
        fs::create_dir_all(root).unwrap();
        for directory in &self.directories {
            fs::create_dir(root.join(directory)).unwrap();
        }
        for (path, content) in &self.files {
            let file = File::create_new(root.join(path)).unwrap();
            file.set_len(content.len).unwrap();
            for run in content.sectors.chunk_by(|(before, _), (at, _)| before + 1 == *at) {
                let bytes: Vec<u8> = run.iter().flat_map(|(_, bytes)| bytes.iter()).copied().collect();
                file.write_all_at(&bytes, (run[0].0 * SECTOR) as u64).unwrap();
            }
            if !self.same_boot && path.ends_with("control") && content.len > BOOT_ID {
                file.write_all_at(&[0xEE; 16], BOOT_ID).unwrap();
            }
        }
    }
}
