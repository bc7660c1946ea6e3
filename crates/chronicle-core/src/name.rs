//! The names of readers: each becomes the name of a file, on any system.

use crate::error::{Error, Result};

/// The longest name of a reader, in bytes.
pub const MAX_READER_NAME_LEN: usize = 128;

/// Checks a reader's name: it becomes a file name.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let refuse = |why: &str| Err(Error::invalid(format!("the reader name {name:?} {why}")));
    if name.is_empty() || name.len() > MAX_READER_NAME_LEN {
        return refuse(&format!("must have 1 to {MAX_READER_NAME_LEN} bytes"));
    }
    if name.starts_with('.') || name.ends_with('.') || name.ends_with(' ') {
        return refuse("must not start with a dot, nor end with a dot or a space");
    }
    // What Windows refuses in a file name is refused everywhere, so that a log can move.
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let device = ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str())
        || (stem.len() == 4
            && (stem.starts_with("COM") || stem.starts_with("LPT"))
            && stem.as_bytes()[3].is_ascii_digit());
    if device {
        return refuse("is the name of a device on Windows");
    }
    if name.chars().any(|c| c.is_control() || "/\\:*?\"<>|".contains(c)) {
        return refuse("must not hold control characters or any of / \\ : * ? \" < > |");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn names_that_are_no_file_names_are_refused() {
        for name in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "a\\b",
            "a\0b",
            "a\nb",
            "a:b",
            "end.",
            "end ",
            "con",
            "NUL.txt",
            "Com1",
            &"x".repeat(129),
        ] {
            assert_eq!(check_name(name).unwrap_err().kind(), ErrorKind::InvalidArgument, "{name:?}");
        }
        for name in [
            "billing",
            "billing-2",
            "console",
            "com",
            "lpt10",
            "a.b",
            "größe",
            "with space",
            &"x".repeat(128),
        ] {
            check_name(name).unwrap();
        }
    }
}
