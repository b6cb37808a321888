//! Copying and moving: `cp`, `mv`, `dd`, `tee`.

use super::commands::{Command, Options};
use super::{MAX_OUTPUT, Shell};
use crate::decoy::vfs::{Kind, VfsError};

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "cp" | "install" => |sh, args| transfer(sh, args, false),
        "mv" => |sh, args| transfer(sh, args, true),
        "dd" => dd,
        "tee" => tee,
        _ => return None,
    })
}

fn transfer(sh: &mut Shell, args: &[String], moves: bool) -> u8 {
    let tool = if moves { "mv" } else { "cp" };
    let options = Options::new(args, "tmog");
    let Some((target, sources)) = options.rest.split_last() else {
        return sh.fail(&format!("{tool}: missing file operand\nTry '{tool} --help' for more information."));
    };
    if sources.is_empty() {
        return sh.fail(&format!("{tool}: missing destination file operand after '{target}'\nTry '{tool} --help' for more information."));
    }
    let to = sh.path(target);
    let into = sh.vfs.stat(&to).is_ok_and(|s| s.kind == Kind::Dir);
    if !into && sources.len() > 1 {
        return sh.fail(&format!("{tool}: target '{target}' is not a directory"));
    }
    let recursive = options.letters.contains(['r', 'R', 'a']);
    let mut status = 0;
    for source in sources {
        let from = sh.path(source);
        let name = from.rsplit('/').next().unwrap_or_default();
        let path = if into { format!("{}/{name}", to.trim_end_matches('/')) } else { to.clone() };
        let stat = match sh.vfs.stat(&from) {
            Ok(stat) => stat,
            Err(error) => {
                status = sh.fail(&if sh.is_busybox() {
                    format!("{tool}: can't stat '{source}': {error}")
                } else {
                    format!("{tool}: cannot stat '{source}': {error}")
                });
                continue;
            }
        };
        if stat.kind == Kind::Dir && !recursive && !moves {
            status = sh.fail(&if sh.is_busybox() {
                format!("cp: omitting directory '{source}'")
            } else {
                format!("cp: -r not specified; omitting directory '{source}'")
            });
            continue;
        }
        let done = if moves { sh.vfs.rename(&from, &path) } else { copy(sh, &from, &path, 0) };
        if let Err(error) = done {
            let shown =
                if into { format!("{}/{name}", target.trim_end_matches('/')) } else { target.clone() };
            let text = match (moves, error) {
                (true, error) => format!("mv: cannot move '{source}' to '{shown}': {error}"),
                (false, VfsError::NoSpace) => format!("cp: error writing '{shown}': {error}"),
                (false, error) if sh.is_busybox() => format!("cp: can't create '{shown}': {error}"),
                (false, VfsError::Denied) if !sh.vfs.access(&from, 4) => {
                    format!("cp: cannot open '{source}' for reading: {error}")
                }
                (false, error) => format!("cp: cannot create regular file '{shown}': {error}"),
            };
            status = sh.fail(&text);
        }
    }
    status
}

fn copy(sh: &mut Shell, from: &str, to: &str, depth: usize) -> Result<(), VfsError> {
    sh.burn(4_000);
    if depth > 16 || sh.is_stopped() {
        return Err(VfsError::NoSpace);
    }
    let stat = sh.vfs.stat(from)?;
    match stat.kind {
        Kind::Dir => {
            if to.starts_with(&format!("{from}/")) {
                return Err(VfsError::NotPermitted);
            }
            if sh.vfs.stat(to).is_err() {
                sh.vfs.mkdir(to, stat.mode)?;
            }
            for (name, _) in sh.vfs.list(from)? {
                copy(sh, &format!("{from}/{name}"), &format!("{to}/{name}"), depth + 1)?;
            }
            Ok(())
        }
        Kind::Device => sh.vfs.write(to, b""),
        _ => {
            let bytes = sh.vfs.read(from)?.into_owned();
            sh.burn(bytes.len());
            sh.vfs.write(to, &bytes)?;
            let _ = sh.vfs.chmod(to, stat.mode & 0o777);
            Ok(())
        }
    }
}

fn tee(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "");
    let bytes = sh.input();
    sh.out(&bytes);
    let mut status = 0;
    for name in &options.rest {
        let path = sh.path(name);
        let done = if options.has('a') { sh.vfs.append(&path, &bytes) } else { sh.vfs.write(&path, &bytes) };
        if let Err(error) = done {
            status = sh.fail(&format!("tee: {name}: {error}"));
        }
    }
    status
}

fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match text.get(digits.len()..)? {
        "" | "c" => 1,
        "w" => 2,
        "b" => 512,
        "k" | "K" => 1 << 10,
        "kB" => 1000,
        "M" | "m" => 1 << 20,
        "MB" => 1_000_000,
        "G" | "g" => 1 << 30,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

fn dd(sh: &mut Shell, args: &[String]) -> u8 {
    let (mut source, mut target, mut quiet) = (None, None, false);
    let (mut block, mut count, mut skip) = (512u64, None, 0u64);
    for word in args.iter().skip(1) {
        let Some((key, value)) = word.split_once('=') else {
            return sh
                .fail(&format!("dd: unrecognized operand ‘{word}’\nTry 'dd --help' for more information."));
        };
        match key {
            "if" => source = Some(value.to_owned()),
            "of" => target = Some(value.to_owned()),
            "bs" | "ibs" | "obs" | "count" | "skip" | "seek" => {
                let Some(number) = size(value) else {
                    return sh.fail(&format!("dd: invalid number: ‘{value}’"));
                };
                match key {
                    "bs" | "ibs" => block = number,
                    "count" => count = Some(number),
                    "skip" => skip = number,
                    _ => {}
                }
            }
            "status" => quiet = value == "none",
            _ => {}
        }
    }
    let wanted = count.and_then(|c| c.checked_mul(block));
    let (bytes, endless) = match &source {
        None => (sh.input(), false),
        Some(name) => {
            let path = sh.path(name);
            let device = sh.vfs.stat(&path).is_ok_and(|s| s.kind == Kind::Device) && path != "/dev/null";
            match sh.vfs.read(&path).map(std::borrow::Cow::into_owned) {
                Ok(_) if device => (device_bytes(&path, wanted.unwrap_or(u64::MAX)), true),
                Ok(bytes) => (bytes, false),
                Err(error) => {
                    return sh.fail(&if sh.is_busybox() {
                        format!("dd: can't open '{name}': {error}")
                    } else {
                        format!("dd: failed to open '{name}': {error}")
                    });
                }
            }
        }
    };
    let start = usize::try_from(skip.saturating_mul(block)).unwrap_or(usize::MAX).min(bytes.len());
    let length =
        wanted.map_or(usize::MAX, |w| usize::try_from(w).unwrap_or(usize::MAX)).min(bytes.len() - start);
    let part = bytes.get(start..start + length).unwrap_or_default().to_vec();
    // A device gives what was asked for; only its beginning is kept.
    let copied = if endless { wanted.unwrap_or(1 << 30) } else { part.len() as u64 };
    if let Some(name) = &target {
        let path = sh.path(name);
        let stored = if copied > part.len() as u64 { &part[..0] } else { part.as_slice() };
        if let Err(error) = sh.vfs.write(&path, stored) {
            return sh.fail(&format!("dd: failed to open '{name}': {error}"));
        }
    } else {
        sh.out(&part);
    }
    if !quiet {
        let full = copied.checked_div(block).unwrap_or(0);
        let partial = u64::from(copied.checked_rem(block).unwrap_or(0) > 0);
        sh.fail(&format!("{full}+{partial} records in\n{full}+{partial} records out"));
        let micros = 60 + copied / 900;
        let rate = copied / micros.max(1);
        let rest = if sh.is_busybox() {
            format!(
                "{copied} bytes ({}B) copied, 0.{micros:06} seconds, {rate}.0MB/s",
                super::cmd_ls::human(copied)
            )
        } else {
            let unit = if copied == 1 { "byte" } else { "bytes" };
            format!(
                "{copied} {unit}{} copied, {}.{:06} s, {rate} MB/s",
                long_size(copied),
                micros / 1_000_000,
                micros % 1_000_000
            )
        };
        sh.fail(&rest);
    }
    0
}

fn long_size(bytes: u64) -> String {
    match bytes {
        0..1000 => String::new(),
        1000..1_000_000 => format!(
            " ({}.{} kB, {}.{} KiB)",
            bytes / 1000,
            bytes % 1000 / 100,
            bytes / 1024,
            bytes % 1024 * 10 / 1024
        ),
        1_000_000..1_000_000_000 => format!(" ({} MB, {} MiB)", bytes / 1_000_000, bytes >> 20),
        _ => format!(
            " ({}.{} GB, {}.{} GiB)",
            bytes / 1_000_000_000,
            bytes % 1_000_000_000 / 100_000_000,
            bytes >> 30,
            (bytes >> 20) % 1024 * 10 / 1024
        ),
    }
}

/// What reading a device gives, as far as anybody looks.
pub(super) fn device_bytes(path: &str, wanted: u64) -> Vec<u8> {
    let length = usize::try_from(wanted).unwrap_or(usize::MAX).min(MAX_OUTPUT);
    match path {
        "/dev/zero" | "/dev/full" => vec![0; length],
        "/dev/random" | "/dev/urandom" => {
            let seed = format!("{}/{}", crate::decoy::vfs::now(), wanted);
            random(&seed, length)
        }
        _ => Vec::new(),
    }
}

fn random(seed: &str, length: usize) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut block = Sha256::digest(seed.as_bytes());
    let mut bytes = Vec::with_capacity(length + 32);
    while bytes.len() < length {
        bytes.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
    bytes.truncate(length);
    bytes
}
