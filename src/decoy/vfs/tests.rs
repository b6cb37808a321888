use super::distro::DISTROS;
use super::*;
use crate::decoy::testing::persona;
use proptest::prelude::*;

fn vfs() -> Vfs {
    Vfs::new(&persona(&["ssh", "http", "mysql"]))
}

#[test]
fn paths_are_put_in_order() {
    let vfs = vfs();
    for (cwd, typed, expected) in [
        ("/root", "a/./b//c", "/root/a/b/c"),
        ("/root", "../etc", "/etc"),
        ("/", "../../..", "/"),
        ("/a/b", "/x/../y", "/y"),
        ("/a", "", "/a"),
    ] {
        assert_eq!(vfs.resolve(cwd, typed), expected);
    }
    assert!(vfs.resolve("/", &"a/".repeat(10_000)).len() <= 4096);
}

#[test]
fn links_are_followed_and_loops_end() {
    let mut vfs = vfs();
    assert_eq!(vfs.real("/bin/ls").unwrap(), "/usr/bin/ls");
    assert_eq!(vfs.lstat("/bin").unwrap().kind, Kind::Link);
    assert!(vfs.read("/proc/mounts").unwrap().starts_with(b"sysfs"));
    vfs.symlink("/tmp/b", "/tmp/a").unwrap();
    vfs.symlink("/tmp/a", "/tmp/b").unwrap();
    assert_eq!(vfs.read("/tmp/a"), Err(VfsError::Loop));
    vfs.symlink("/tmp/made", "/tmp/l").unwrap();
    vfs.write("/tmp/l", b"x").unwrap();
    assert_eq!(vfs.read("/tmp/made").unwrap().as_ref(), b"x");
}

#[test]
fn a_session_sees_its_own_changes_only() {
    let base = vfs();
    let mut one = base.clone();
    one.write("/etc/motd", b"mine").unwrap();
    one.append("/etc/motd", b"!").unwrap();
    one.mkdir("/opt/x", 0o755).unwrap();
    one.rename("/etc/hostname", "/opt/x/h").unwrap();
    assert_eq!(one.read("/etc/motd").unwrap().as_ref(), b"mine!");
    assert_eq!(one.stat("/etc/hostname"), Err(VfsError::NotFound));
    assert_eq!(one.list("/opt/x").unwrap().len(), 1);
    assert_eq!(one.remove("/opt/x"), Err(VfsError::NotEmpty));
    one.remove("/opt/x/h").unwrap();
    one.remove("/opt/x").unwrap();
    assert_ne!(base.read("/etc/motd").unwrap().as_ref(), b"mine!");
    assert!(base.stat("/etc/hostname").is_ok());
}

#[test]
fn rights_count() {
    let mut vfs = vfs();
    vfs.become_user(1000, 1000);
    assert_eq!(vfs.read("/etc/shadow"), Err(VfsError::Denied));
    assert_eq!(vfs.list("/root").unwrap_err(), VfsError::Denied);
    assert_eq!(vfs.read("/root/.bashrc"), Err(VfsError::Denied));
    assert_eq!(vfs.write("/etc/x", b""), Err(VfsError::Denied));
    assert_eq!(vfs.write("/proc/version", b""), Err(VfsError::Denied));
    assert_eq!(vfs.chmod("/etc/passwd", 0o777), Err(VfsError::NotPermitted));
    vfs.write("/tmp/mine", b"1").unwrap();
    vfs.become_user(1001, 1001);
    assert_eq!(vfs.remove("/tmp/mine"), Err(VfsError::NotPermitted));
}

#[test]
fn a_session_has_its_share_and_no_more() {
    let mut vfs = vfs();
    assert_eq!(vfs.write("/tmp/big", &vec![0; MAX_BYTES + 1]), Err(VfsError::NoSpace));
    vfs.write("/tmp/big", &vec![0; MAX_BYTES]).unwrap();
    assert_eq!(vfs.append("/tmp/big", b"x"), Err(VfsError::NoSpace));
    vfs.remove("/tmp/big").unwrap();
    let written = (0..100).filter(|n| vfs.write(&format!("/tmp/f{n}"), b"x").is_ok()).count();
    assert_eq!(written, MAX_FILES);
    let made = (0..1000).filter(|n| vfs.mkdir(&format!("/tmp/d{n}"), 0o755).is_ok()).count();
    assert!(made < 300);
}

#[test]
fn every_name_of_every_distribution_can_be_read() {
    for distro in &DISTROS {
        let mut persona = persona(&["ssh", "telnet", "ftp", "http", "mysql", "redis"]);
        distro.slug.clone_into(&mut persona.distro);
        let vfs = Vfs::new(&persona);
        let mut queue = vec!["/".to_owned()];
        let mut seen = 0;
        while let Some(dir) = queue.pop() {
            for (name, stat) in vfs.list(&dir).unwrap() {
                seen += 1;
                let path = join(&dir, &name);
                match stat.kind {
                    Kind::Dir => queue.push(path),
                    // Programs are noise behind a header.
                    Kind::File if stat.size < 30_000 => {
                        let text = vfs.read(&path).unwrap();
                        let small = text.get(..text.len().min(5000)).unwrap();
                        let text = String::from_utf8_lossy(small).to_lowercase();
                        assert!(!text.contains("decnet") && !text.contains("honeypot"), "{path}");
                    }
                    _ => {}
                }
            }
        }
        assert!((500..3000).contains(&seen), "{} {seen}", distro.slug);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_path_is_answered(path in "[/.a-z\\x00-\\x7f]{0,200}", other in "\\PC{0,60}") {
        let mut vfs = vfs();
        let full = vfs.resolve("/tmp", &path);
        prop_assert!(full.starts_with('/'));
        let _ = (vfs.stat(&path), vfs.list(&path), vfs.read(&full).is_ok());
        let _ = (vfs.write(&other, b"x"), vfs.rename(&full, &other), vfs.remove(&path), vfs.symlink(&path, &other));
        prop_assert!(vfs.used() <= MAX_BYTES);
    }
}
