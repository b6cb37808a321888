//! Directory listings as each product writes them.

use super::product::Product;
use crate::decoy::vfs::{Kind, Stat, Vfs};

/// Half a year: listings show the time of day of younger files and the year of older ones.
const HALF_YEAR: i64 = 182 * 86_400;

/// One line of `LIST`, with its CR LF.
pub(super) fn long(
    product: Product,
    vfs: &Vfs,
    anonymous: bool,
    name: &str,
    stat: &Stat,
    now: i64,
) -> String {
    let (user, group) = match (product, anonymous) {
        (Product::Proftpd, true) => ("ftp".to_owned(), "ftp".to_owned()),
        (Product::Vsftpd, _) | (Product::Pureftpd, true) => (stat.uid.to_string(), stat.gid.to_string()),
        _ => (vfs.machine().user_name(stat.uid), vfs.machine().group_name(stat.gid)),
    };
    let links = if stat.kind == Kind::Dir { 2 } else { 1 };
    let (mode, size, date) = (mode(stat), stat.size, date(stat.mtime, now));
    match product {
        Product::Vsftpd => format!("{mode} {links:>4} {user:<8} {group:<8} {size:>8} {date} {name}\r\n"),
        Product::Proftpd => format!("{mode} {links:>3} {user:<8} {group:<8} {size:>8} {date} {name}\r\n"),
        Product::Pureftpd => format!("{mode} {links:>4} {user:<10} {group:<10} {size:>10} {date} {name}\r\n"),
    }
}

/// One line of facts (RFC 3659 §7), without its end.
pub(super) fn facts(product: Product, vfs: &Vfs, own: bool, name: &str, kind: &str, stat: &Stat) -> String {
    let modify = stamp(stat.mtime);
    let bits = stat.mode & 0o7777;
    let dir = stat.kind == Kind::Dir;
    let unique =
        stat.mtime.unsigned_abs() ^ name.bytes().fold(5381, |h: u64, b| h.wrapping_mul(33) ^ u64::from(b));
    let unique = unique & 0xff_ffff;
    if product == Product::Pureftpd {
        let size = if dir { "sizd" } else { "size" };
        // Strangers are not told who owns what.
        let owner = if own { format!("UNIX.uid={};UNIX.gid={};", stat.uid, stat.gid) } else { String::new() };
        return format!(
            "type={kind};{size}={};modify={modify};UNIX.mode=0{bits:o};{owner}unique=fe00g{unique:x}; {name}",
            stat.size
        );
    }
    let perm = match (dir, own) {
        (true, true) => "flcdmpe",
        (true, false) => "fle",
        (false, true) => "adfrw",
        (false, false) => "adfr",
    };
    let size = if dir { String::new() } else { format!("size={};", stat.size) };
    format!(
        "modify={modify};perm={perm};{size}type={kind};unique=FE00U{unique:X};UNIX.group={};UNIX.groupname={};UNIX.mode=0{bits:o};\
         UNIX.owner={};UNIX.ownername={}; {name}",
        stat.gid,
        vfs.machine().group_name(stat.gid),
        stat.uid,
        vfs.machine().user_name(stat.uid)
    )
}

/// A time as `MDTM` writes it.
pub(super) fn stamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y%m%d%H%M%S").to_string()
}

fn date(seconds: i64, now: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    let young = seconds <= now && now.saturating_sub(seconds) < HALF_YEAR;
    time.strftime(if young { "%b %d %H:%M" } else { "%b %d  %Y" }).to_string()
}

fn mode(stat: &Stat) -> String {
    let mut out = String::with_capacity(10);
    out.push(match stat.kind {
        Kind::File => '-',
        Kind::Dir => 'd',
        Kind::Link => 'l',
        Kind::Device => 'c',
    });
    for (at, letter) in "rwxrwxrwx".chars().enumerate() {
        let set = stat.mode >> (8 - at) & 1 == 1;
        let special = [(2, 0o4000, 's'), (5, 0o2000, 's'), (8, 0o1000, 't')];
        let mark = special.iter().find(|(place, bit, _)| *place == at && stat.mode & bit != 0);
        out.push(match (mark, set) {
            (Some((_, _, c)), true) => *c,
            (Some((_, _, c)), false) => c.to_ascii_uppercase(),
            (None, true) => letter,
            (None, false) => '-',
        });
    }
    out
}

/// Whether a name fits a pattern of `*` and `?`. Linear in both.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut i, mut j) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while j < n.len() {
        if p.get(i) == Some(&'*') {
            star = Some((i, j));
            i += 1;
        } else if p.get(i).is_some_and(|c| *c == '?' || Some(c) == n.get(j)) {
            i += 1;
            j += 1;
        } else if let Some((at, from)) = star {
            i = at + 1;
            j = from + 1;
            star = Some((at, j));
        } else {
            return false;
        }
    }
    p.get(i..).unwrap_or_default().iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::persona;

    #[test]
    fn lines_as_measured() {
        let vfs = Vfs::new(&persona(&["ftp"]));
        let now = 1_795_450_600;
        let stat = Stat { kind: Kind::File, size: 7, mode: 0o644, uid: 0, gid: 0, mtime: 1_795_450_528 };
        let line = |product| long(product, &vfs, true, "README", &stat, now);
        assert_eq!(
            line(Product::Vsftpd),
            "-rw-r--r--    1 0        0               7 Nov 23 16:15 README\r\n"
        );
        assert_eq!(
            line(Product::Proftpd),
            "-rw-r--r--   1 ftp      ftp             7 Nov 23 16:15 README\r\n"
        );
        assert_eq!(
            line(Product::Pureftpd),
            "-rw-r--r--    1 0          0                   7 Nov 23 16:15 README\r\n"
        );
        let old = Stat { mtime: 1_700_000_000, mode: 0o4711, ..stat };
        assert_eq!(
            long(Product::Vsftpd, &vfs, true, "x", &old, now),
            "-rws--x--x    1 0        0               7 Nov 14  2023 x\r\n"
        );
    }

    #[test]
    fn patterns() {
        for (pattern, name, yes) in [
            ("*", "a", true),
            ("*.txt", "a.txt", true),
            ("a?c*", "abcd", true),
            ("*b", "abc", false),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern, name), yes, "{pattern} {name}");
        }
        assert!(!fits(&"*a".repeat(200), &"b".repeat(400)));
    }
}
