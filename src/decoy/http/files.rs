//! The `files` setting: a directory read once, while the decoy is built.
//!
//! The worker's sandbox closes right after; nothing is read again, so the files of a running decoy are
//! those that were there when it started. Limits: 200 regular files, 4 MiB together, 8 levels deep. Symbolic links,
//! devices and names that are no plain UTF-8 are left out.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::site::{Resource, Site, kind_of};

const FILES_MAX: usize = 200;
const BYTES_MAX: u64 = 4 << 20;
const DEPTH_MAX: usize = 8;
/// Directory entries looked at, whatever they are.
const ENTRIES_MAX: usize = 4096;

struct Budget {
    files: usize,
    bytes: u64,
    entries: usize,
}

/// Adds the files below `root` to `site`. What cannot be read is left out.
pub(super) fn load(root: &Path, site: &mut Site) {
    let mut budget = Budget { files: FILES_MAX, bytes: BYTES_MAX, entries: ENTRIES_MAX };
    walk(root, "/", DEPTH_MAX, &mut budget, site);
}

fn walk(dir: &Path, prefix: &str, depth: usize, budget: &mut Budget, site: &mut Site) {
    let Ok(read) = fs::read_dir(dir) else { return };
    let mut entries: Vec<_> = read.filter_map(Result::ok).take(budget.entries).collect();
    budget.entries = budget.entries.saturating_sub(entries.len());
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else { continue };
        if name.chars().any(char::is_control) || budget.files == 0 {
            continue;
        }
        if kind.is_dir() && depth > 0 {
            walk(&entry.path(), &format!("{prefix}{name}/"), depth - 1, budget, site);
        } else if kind.is_file()
            && let Some(resource) = read_file(&entry.path(), &name, budget.bytes)
        {
            budget.files -= 1;
            budget.bytes = budget.bytes.saturating_sub(resource.bytes.len() as u64);
            site.add(format!("{prefix}{name}"), resource);
        }
    }
}

fn read_file(path: &Path, name: &str, room: u64) -> Option<Resource> {
    let file = fs::File::open(path).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > room {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(room.saturating_add(1)).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 > room {
        return None;
    }
    let age = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let micros = i64::try_from(age.as_micros()).ok()?;
    Some(Resource { kind: kind_of(name).to_owned(), bytes: bytes.into(), micros, status: 200 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::http::site::Found;

    #[test]
    fn reads_regular_files_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("docs")).unwrap();
        fs::write(dir.path().join("index.html"), "<p>hi</p>").unwrap();
        fs::write(dir.path().join("docs/a.txt"), "a").unwrap();
        fs::write(dir.path().join("big.bin"), vec![0; (BYTES_MAX + 1) as usize]).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("passwd")).unwrap();
        let mut site = Site::default();
        load(dir.path(), &mut site);
        assert!(matches!(site.find(b"/"), Found::File(_)));
        assert!(matches!(site.find(b"/docs/a.txt"), Found::File(_)));
        assert!(matches!(site.find(b"/passwd"), Found::Nothing));
        assert!(matches!(site.find(b"/big.bin"), Found::Nothing));
        load(Path::new("/nonexistent"), &mut site);
    }

    #[test]
    fn stops_at_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..FILES_MAX + 5 {
            fs::write(dir.path().join(format!("{n}.txt")), "x").unwrap();
        }
        let mut site = Site::default();
        load(dir.path(), &mut site);
        assert_eq!(site.names(b"/").len(), FILES_MAX);
    }
}
