//! The configuration file: written whole or not at all, with the one before it kept beside it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Beside a file: its name with this behind it.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(end);
    path.with_file_name(name)
}

/// Why a file is not kept.
#[derive(Debug)]
pub(crate) enum Unkept {
    /// It was not written; what there was is as it was.
    Unwritten(io::Error),
    /// It was written, but whether it outlives a failure of power is not known.
    Unsure(io::Error),
}

/// Writes the file in one step: nobody ever sees half of it, and after a crash it is either the old one or the new one.
/// Readable for its owner alone, because passwords are in it. What it was before is kept as `FILE.bak`.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Unkept> {
    // A link stays one: what it points to is written.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    replace(path, text).map_err(Unkept::Unwritten)?;
    // The name itself must last as well.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Unkept::Unsure)
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let (new, backup) = (beside(path, ".new"), beside(path, ".bak"));
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let kept = written.and_then(|()| match fs::remove_file(&backup) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => match fs::hard_link(path, &backup) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => fs::copy(path, &backup).map(drop),
            _ => Ok(()),
        },
    });
    kept.and_then(|()| fs::rename(&new, path)).inspect_err(|_| drop(fs::remove_file(&new)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_file_is_replaced_whole_and_the_one_before_is_kept() {
        let folder = std::env::temp_dir().join(format!("sekisho-store-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.conf");
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        write(&path, "one\n").unwrap();
        assert!(!folder.join("a.conf.bak").exists());
        fs::write(folder.join("a.conf.new"), "left by a crash").unwrap();
        write(&path, "two\n").unwrap();
        write(&path, "three\n").unwrap();
        assert_eq!((read("a.conf"), read("a.conf.bak")), ("three\n".to_owned(), "two\n".to_owned()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        std::os::unix::fs::symlink(&path, folder.join("link")).unwrap();
        write(&folder.join("link"), "four\n").unwrap();
        assert!(fs::symlink_metadata(folder.join("link")).unwrap().is_symlink());
        assert_eq!(read("a.conf"), "four\n");
        assert!(write(&folder.join("none/b.conf"), "x").is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
