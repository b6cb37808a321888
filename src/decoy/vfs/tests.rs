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
        let mut persona = persona(&[
            "ssh", "telnet", "ftp", "http", "mysql", "redis", "smtp", "imap", "dns", "postgres", "smb",
        ]);
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

/// All services but the observer, each alone and all at once.
fn selections() -> Vec<Vec<&'static str>> {
    let all: Vec<&str> = crate::catalog::services().iter().filter(|s| !s.singleton).map(|s| s.slug).collect();
    all.iter().map(|slug| vec![*slug]).chain([all.clone()]).collect()
}

#[test]
fn whatever_a_machine_serves_its_shell_shows() {
    use super::process::{binary, daemons, listeners, processes};
    for distro in &DISTROS {
        for slugs in selections() {
            let mut persona = persona(&slugs);
            distro.slug.clone_into(&mut persona.distro);
            let vfs = Vfs::new(&persona);
            let machine = vfs.machine();
            let all = processes(machine);
            let told = format!("{} {slugs:?}", distro.slug);
            // What the worker listens on is what the shell says.
            let mut ports: Vec<_> =
                crate::catalog::ports_of(&slugs).map(|(_, p)| (p.number, p.transport.to_string())).collect();
            let mut shown: Vec<_> =
                listeners(machine).iter().map(|l| (l.port, l.transport.to_string())).collect();
            ports.sort_unstable();
            ports.dedup();
            shown.sort_unstable();
            shown.dedup();
            assert_eq!(shown, ports, "{told}");
            for listener in listeners(machine) {
                let runs = all.iter().any(|p| p.name() == listener.program);
                assert!(runs || listener.program == "systemd", "{told} {listener:?}");
            }
            let mut pids: Vec<u32> = all.iter().map(|p| p.pid).collect();
            pids.sort_unstable();
            pids.dedup();
            assert_eq!(pids.len(), all.len(), "{told}");
            let mut uids: Vec<u32> = machine.users.iter().map(|u| u.uid).collect();
            uids.sort_unstable();
            uids.dedup();
            assert_eq!(uids.len(), machine.users.len(), "{told}");
            let passwd = String::from_utf8(vfs.read("/etc/passwd").unwrap().into_owned()).unwrap();
            let services = String::from_utf8(vfs.read("/etc/services").unwrap().into_owned()).unwrap();
            for daemon in daemons(machine) {
                for (user, command, ..) in daemon.runs {
                    let line = format!("{user}:x:");
                    assert!(passwd.lines().any(|l| l.starts_with(&line)), "{told} {user}");
                    if let Some(path) = binary(machine, command) {
                        assert!(vfs.stat(&path).is_ok_and(|s| s.mode == 0o755), "{told} {path}");
                    }
                }
                if !daemon.unit.is_empty() {
                    let (dir, end) = match (distro.family, daemon.runs.is_empty()) {
                        (distro::Family::Alpine, _) => ("/etc/init.d", ""),
                        (_, true) => ("/lib/systemd/system", ".socket"),
                        _ => ("/lib/systemd/system", ".service"),
                    };
                    let unit = format!("{dir}/{}{end}", daemon.unit);
                    assert!(vfs.read(&unit).is_ok_and(|text| !text.is_empty()), "{told} {unit}");
                }
            }
            for (number, transport) in ports {
                assert!(services.contains(&format!("\t{number}/{transport}")), "{number}/{transport}");
            }
        }
    }
}

#[test]
fn what_runs_is_what_the_services_say_they_are() {
    use super::process::daemons;
    let mut persona = persona(&["smtp", "http", "redis", "ftp", "mysql"]);
    let mut set = |slug: &str, key: &str, value: &str| {
        persona.services.get_mut(slug).unwrap().insert(key.into(), value.into());
    };
    set("smtp", "mta", "exim");
    set("http", "server_header", "Apache/2.4.57 (Debian)");
    set("ftp", "banner", "ProFTPD 1.3.6 Server");
    set("mysql", "version", "8.0.36");
    let units =
        |persona: &Persona| -> Vec<&str> { daemons(&Machine::new(persona)).iter().map(|d| d.unit).collect() };
    assert_eq!(units(&persona), ["proftpd", "apache2", "mysql", "redis-server", "exim4"]);
    persona.distro = "fedora".into();
    persona.services.values_mut().for_each(serde_json::Map::clear);
    let all = units(&persona);
    assert!(all.contains(&"postfix") && all.contains(&"mariadb"), "{all:?}");
    assert_eq!(Machine::new(&persona).software("redis").unwrap().number().split('.').count(), 3);
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
