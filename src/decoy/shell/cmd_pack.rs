//! Packing, keys, libraries: `tar`, `gzip`, `openssl`, `ssh-keygen`, `ldd`. Nothing is ever unpacked.

use super::Shell;
use super::cmd_text::{open, tool};
use super::commands::{Command, Options};
use crate::decoy::vfs::Kind;
use crate::decoy::vfs::distro::Family;

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "openssl" => openssl,
        "ssh-keygen" => ssh_keygen,
        "tar" => tar,
        "gzip" | "gunzip" | "bzip2" | "bunzip2" | "xz" => pack,
        "ldd" => ldd,
        _ => return None,
    })
}

/// What `openssl version` says.
pub(super) fn openssl_version(distro: &str) -> &'static str {
    match distro {
        "ubuntu20" => "OpenSSL 1.1.1f  31 Mar 2020",
        "ubuntu22" => "OpenSSL 3.0.2 15 Mar 2022 (Library: OpenSSL 3.0.2 15 Mar 2022)",
        "centos7" => "OpenSSL 1.0.2k-fips  26 Jan 2017",
        "rocky9" => "OpenSSL 3.2.2 4 Jun 2024 (Library: OpenSSL 3.2.2 4 Jun 2024)",
        "fedora" => "OpenSSL 3.1.1 30 May 2023 (Library: OpenSSL 3.1.1 30 May 2023)",
        "debian" => "OpenSSL 3.0.17 1 Jul 2025 (Library: OpenSSL 3.0.17 1 Jul 2025)",
        _ => "OpenSSL 3.5.4 30 Sep 2025 (Library: OpenSSL 3.5.4 30 Sep 2025)",
    }
}

fn openssl(sh: &mut Shell, args: &[String]) -> u8 {
    let version = openssl_version(sh.machine().distro.slug);
    match args.get(1).map(String::as_str) {
        Some("version") => {
            sh.say(version);
            0
        }
        Some("rand") => {
            let bytes = args.last().and_then(|n| n.parse::<usize>().ok()).unwrap_or(16).min(512);
            let mut random = vec![0u8; bytes];
            // Without randomness it prints zeroes, as nothing here depends on it.
            let _ = getrandom::fill(&mut random);
            let text = if args.iter().any(|a| a == "-hex") {
                hex::encode(random)
            } else {
                use base64::Engine as _;
                base64::engine::general_purpose::STANDARD.encode(random)
            };
            sh.say(&text);
            0
        }
        Some("s_client") => sh.fail("40E7F5A2C57F0000:error:8000006F:system library:BIO_connect:Network is unreachable:../crypto/bio/bio_sock2.c:125:calling connect()\nconnect:errno=101"),
        _ => 0,
    }
}

fn ssh_keygen(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "tbfNCPORIl");
    if options.has('l') || options.has('R') || options.has('y') {
        return 0;
    }
    let kind = options.value('t').unwrap_or("rsa").to_owned();
    let home = sh.user().home.clone();
    let file = options.value('f').map_or_else(|| format!("{home}/.ssh/id_{kind}"), str::to_owned);
    let path = sh.path(&file);
    let (host, user) = (sh.machine().hostname.clone(), sh.user().name.clone());
    let mut random = [0u8; 96];
    let _ = getrandom::fill(&mut random);
    let text = |bytes: &[u8]| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes)
    };
    let (name, head) = match kind.as_str() {
        "ed25519" => ("ED25519", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"),
        "ecdsa" => ("ECDSA", "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABB"),
        _ => ("RSA", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQD"),
    };
    let key = format!(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB{}\n-----END OPENSSH PRIVATE KEY-----\n",
        text(&random)
    );
    let public = format!("{head}{} {user}@{host}\n", text(random.get(..32).unwrap_or_default()));
    let written = sh
        .vfs
        .write(&path, key.as_bytes())
        .and_then(|()| sh.vfs.write(&format!("{path}.pub"), public.as_bytes()));
    if let Err(error) = written {
        sh.say(&format!("Generating public/private {kind} key pair."));
        return sh.fail(&format!("Saving key \"{file}\" failed: {error}"));
    }
    let _ = sh.vfs.chmod(&path, 0o600);
    sh.say(&format!(
        "Generating public/private {kind} key pair.\nYour identification has been saved in {file}\nYour public key has been saved in {file}.pub\nThe key fingerprint is:\nSHA256:{} {user}@{host}\nThe key's randomart image is:",
        text(random.get(..32).unwrap_or_default())
    ));
    let bits = match name {
        "ED25519" | "ECDSA" => 256,
        _ => options.value('b').and_then(|b| b.parse::<u32>().ok()).unwrap_or(3072),
    };
    let mut art = format!("+{:-^17}+\n", format!("[{name} {bits}]"));
    for row in random.chunks(17).cycle().take(9) {
        let row: String = row
            .iter()
            .cycle()
            .take(17)
            .map(|b| char::from(*b" .o+=*BOX@%&#/^SE".get(usize::from(b % 40)).unwrap_or(&b' ')))
            .collect();
        art.push_str(&format!("|{row}|\n"));
    }
    sh.say(&format!("{art}+{:-^17}+", "[SHA256]"));
    0
}

fn tar(sh: &mut Shell, args: &[String]) -> u8 {
    let words = args.get(1..).unwrap_or_default();
    let Some(flags) = words.first().map(|w| w.trim_start_matches('-').to_owned()) else {
        return sh.fail("tar: You must specify one of the '-Acdtrux', '--delete' or '--test-label' options\nTry 'tar --help' or 'tar --usage' for more information.") + 1;
    };
    let mut rest = words.iter().skip(1).filter(|w| !w.starts_with('-')).cloned();
    let archive = if flags.contains('f') { rest.next() } else { None };
    let members: Vec<String> = rest.collect();
    if flags.contains('c') {
        if members.is_empty() {
            return sh.fail("tar: Cowardly refusing to create an empty archive\nTry 'tar --help' or 'tar --usage' for more information.") + 1;
        }
        if members.iter().any(|m| m.starts_with('/')) {
            sh.fail("tar: Removing leading `/' from member names");
        }
        let mut status = 0;
        let mut packed = if flags.contains('z') {
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".to_vec()
        } else {
            Vec::new()
        };
        for member in &members {
            let path = sh.path(member);
            match sh.vfs.stat(&path) {
                Ok(stat) => packed
                    .extend(std::iter::repeat_n(0x5a, usize::try_from(stat.size / 3).unwrap_or(0).min(4096))),
                Err(error) => status = sh.fail(&format!("tar: {member}: Cannot stat: {error}")) + 1,
            }
            if status == 0 && flags.contains('v') {
                let shown = member.trim_start_matches('/').to_owned();
                sh.say(&shown);
            }
        }
        if let Some(archive) = archive {
            let path = sh.path(&archive);
            if let Err(error) = sh.vfs.write(&path, &packed) {
                return sh.fail(&format!(
                    "tar: {archive}: Cannot open: {error}\ntar: Error is not recoverable: exiting now"
                )) + 1;
            }
        }
        if status != 0 {
            sh.fail("tar: Exiting with failure status due to previous errors");
        }
        return status;
    }
    let Some(archive) = archive else {
        return sh.fail("tar: Refusing to read archive contents from terminal (missing -f option?)\ntar: Error is not recoverable: exiting now") + 1;
    };
    let bytes = if archive == "-" { Ok(sh.input()) } else { open(sh, &archive) };
    match bytes {
        Err(error) => {
            let (head, child) = if flags.contains(['z', 'j', 'J']) { ("tar (child)", "\ntar: Child returned status 2\ntar: Error is not recoverable: exiting now") } else { ("tar", "") };
            sh.fail(&format!("{head}: {archive}: Cannot open: {error}\n{head}: Error is not recoverable: exiting now{child}")) + 1
        }
        Ok(bytes) if flags.contains('z') && !bytes.starts_with(b"\x1f\x8b") => {
            sh.fail("\ngzip: stdin: not in gzip format\ntar: Child returned status 1\ntar: Error is not recoverable: exiting now") + 1
        }
        Ok(_) => 0,
    }
}

/// Packs and unpacks by name alone: nothing here decompresses what a visitor brought.
fn pack(sh: &mut Shell, args: &[String]) -> u8 {
    let name = tool(args);
    let (base, ending) = match name.as_str() {
        "gzip" | "gunzip" => ("gzip", ".gz"),
        "xz" => ("xz", ".xz"),
        _ => ("bzip2", ".bz2"),
    };
    let options = Options::new(args, "S");
    if options.has('V') || options.has_long("version") {
        sh.say(match base {
            "gzip" => "gzip 1.12\nCopyright (C) 2018 Free Software Foundation, Inc.",
            "xz" => "xz (XZ Utils) 5.4.1\nliblzma 5.4.1",
            _ => "bzip2, a block-sorting file compressor.  Version 1.0.8, 13-Jul-2019.",
        });
        return 0;
    }
    let unpack = options.has('d') || name.starts_with("gun") || name.starts_with("bun");
    let mut status = 0;
    for file in &options.rest {
        let path = sh.path(file);
        match sh.vfs.stat(&path) {
            Err(error) => status = sh.fail(&format!("{base}: {file}: {error}")),
            Ok(stat) if stat.kind == Kind::Dir => {
                status = sh.fail(&format!("{base}: {file} is a directory -- ignored")) + 1;
            }
            Ok(_) if options.has('c') || options.has('k') || options.has('t') || options.has('l') => {}
            Ok(_) if unpack => match path.strip_suffix(ending) {
                Some(plain) => {
                    let _ = sh.vfs.rename(&path, plain);
                }
                None => status = sh.fail(&format!("{base}: {file}: unknown suffix -- ignored")) + 1,
            },
            Ok(_) => {
                let _ = sh.vfs.rename(&path, &format!("{path}{ending}"));
            }
        }
    }
    status
}

fn ldd(sh: &mut Shell, args: &[String]) -> u8 {
    if sh.family() == Family::Alpine {
        sh.say("\t/lib/ld-musl-x86_64.so.1 (0x7f1c2a5e1000)");
        return 0;
    }
    let version = match sh.machine().distro.slug {
        "ubuntu20" => "(Ubuntu GLIBC 2.31-0ubuntu9.17) 2.31",
        "ubuntu22" => "(Ubuntu GLIBC 2.35-0ubuntu3.8) 2.35",
        "centos7" => "(GNU libc) 2.17",
        "rocky9" => "(GNU libc) 2.34",
        "fedora" => "(GNU libc) 2.38",
        "debian" => "(Debian GLIBC 2.36-9+deb12u10) 2.36",
        _ => "(GNU libc) 2.42",
    };
    match args.get(1).map(String::as_str) {
        None => sh.fail("ldd: missing file arguments\nTry `ldd --help' for more information."),
        Some("--version") => {
            sh.say(&format!("ldd {version}"));
            0
        }
        Some(file) => match open(sh, file) {
            Err(_) => sh.fail(&format!("ldd: {file}: No such file or directory")),
            Ok(bytes) if bytes.starts_with(b"\x7fELF") => {
                sh.say("\tlinux-vdso.so.1 (0x00007ffd4a9e2000)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2b1c600000)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f2b1c8f1000)");
                0
            }
            Ok(_) => {
                sh.say("\tnot a dynamic executable");
                1
            }
        },
    }
}
