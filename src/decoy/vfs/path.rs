//! Paths as text.

/// Longest path.
pub(super) const MAX_PATH: usize = 4096;
/// Longest name.
pub(super) const MAX_NAME: usize = 255;
/// Most names in a path.
pub(super) const MAX_DEPTH: usize = 64;
/// Most links followed on the way.
pub(super) const MAX_LINKS: usize = 16;

/// See [`super::Vfs::resolve`].
pub(super) fn resolve(cwd: &str, path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    let start = if path.starts_with('/') { "" } else { cwd };
    for name in split(start).chain(split(path)) {
        match name {
            "." => {}
            ".." => {
                names.pop();
            }
            _ if names.len() < MAX_DEPTH => names.push(name),
            _ => {}
        }
    }
    let mut whole = String::with_capacity(path.len().min(MAX_PATH) + 1);
    for name in names {
        if whole.len() + name.len() + 1 > MAX_PATH {
            break;
        }
        whole.push('/');
        whole.push_str(name);
    }
    if whole.is_empty() {
        whole.push('/');
    }
    whole
}

/// The names of a path.
pub(super) fn split(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

/// The directory an absolute path is in.
pub(super) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(at) if at > 0 => &path[..at],
        _ => "/",
    }
}

/// A name in a directory.
pub(super) fn join(dir: &str, name: &str) -> String {
    if dir == "/" { format!("/{name}") } else { format!("{dir}/{name}") }
}
