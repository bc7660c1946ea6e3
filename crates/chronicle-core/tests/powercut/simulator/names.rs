//! The names of a directory tree, and which of them a disk may hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::dice::Dice;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    Directory,
    File(u64),
}

pub type Tree = BTreeMap<PathBuf, Node>;

#[derive(Debug, Clone)]
enum Change {
    Add(PathBuf, Node),
    Remove(PathBuf),
    Move { from: PathBuf, to: PathBuf, node: Node },
}

#[derive(Debug)]
pub struct Names {
    /// What every process sees.
    pub live: Tree,
    durable: Tree,
    /// What the disk need not know yet, in order.
    pending: Vec<Change>,
}

impl Change {
    fn paths(&self) -> [&Path; 2] {
        match self {
            Self::Add(path, _) | Self::Remove(path) => [path, path],
            Self::Move { from, to, .. } => [from, to],
        }
    }

    fn apply(&self, tree: &mut Tree) {
        match self {
            Self::Add(path, node) => {
                tree.insert(path.clone(), *node);
            }
            Self::Remove(path) => {
                tree.remove(path);
            }
            Self::Move { from, to, node } => {
                if tree.get(from) == Some(node) {
                    tree.remove(from);
                }
                tree.insert(to.clone(), *node);
            }
        }
    }
}

impl Names {
    pub fn durable(tree: Tree) -> Self {
        Self { live: tree.clone(), durable: tree, pending: Vec::new() }
    }

    pub fn add(&mut self, path: &Path, node: Node) {
        if !self.live.contains_key(path) {
            self.change(Change::Add(path.to_owned(), node));
        }
    }

    pub fn link(&mut self, from: &Path, to: &Path) {
        self.add(to, self.live[from]);
    }

    pub fn remove(&mut self, path: &Path) {
        self.change(Change::Remove(path.to_owned()));
    }

    pub fn rename(&mut self, from: &Path, to: &Path) {
        let node = self.live[from];
        self.change(Change::Move { from: from.to_owned(), to: to.to_owned(), node });
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    /// The names in `dir` are on the disk.
    pub fn sync(&mut self, dir: &Path) {
        let mut due: Vec<bool> = self
            .pending
            .iter()
            .map(|change| change.paths().iter().any(|path| path.parent() == Some(dir)))
            .collect();
        // What happened before to a name that is moved to or from elsewhere comes with the move.
        for later in (0..due.len()).rev().filter(|&later| due[later]).collect::<Vec<_>>() {
            for (earlier, due) in self.pending[..later].iter().zip(&mut due) {
                *due |= self.pending[later].paths().iter().any(|path| earlier.paths().contains(path));
            }
        }
        let mut due = due.into_iter();
        let (durable, pending) = (&mut self.durable, &mut self.pending);
        pending.retain(|change| {
            let done = due.next().unwrap();
            if done {
                change.apply(durable);
            }
            !done
        });
    }

    /// The files that a disk may have a name of.
    pub fn known(&self, file: u64) -> bool {
        let node = Node::File(file);
        let named = |tree: &Tree| tree.values().any(|&known| known == node);
        let pending = self.pending.iter().any(|change| match change {
            Change::Add(_, known) | Change::Move { node: known, .. } => *known == node,
            Change::Remove(_) => false,
        });
        pending || named(&self.live) || named(&self.durable)
    }

    /// The names that a disk may hold.
    pub fn survivor(&self, dice: &mut Dice) -> Tree {
        let mut tree = self.durable.clone();
        let count = self.pending.len();
        // Journals keep the order, so that the first ones are there; POSIX allows any.
        let first = if dice.percent(50) { Some(dice.index(count + 1)) } else { None };
        let lost = dice.pick(&[5, 50, 95]);
        for (index, change) in self.pending.iter().enumerate() {
            if first.map_or_else(|| !dice.percent(lost), |first| index < first) {
                change.apply(&mut tree);
            }
        }
        reachable(tree)
    }
}

/// Without what lies in directories that are not there.
fn reachable(tree: Tree) -> Tree {
    let mut kept = Tree::new();
    // Parents sort before what is in them.
    for (path, node) in tree {
        let parent = path.parent().unwrap();
        if parent.as_os_str().is_empty() || kept.get(parent) == Some(&Node::Directory) {
            kept.insert(path, node);
        }
    }
    kept
}
