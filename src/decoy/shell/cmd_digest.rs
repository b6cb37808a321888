//! Digests and encodings.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

use super::Shell;
use super::cmd_text::inputs;
use super::commands::{Command, Options};

/// The commands of this file.
pub(super) fn find(name: &str) -> Option<Command> {
    Some(match name {
        "md5sum" => |sh, args| digest(sh, args, "md5sum", |b| hex::encode(md5(b))),
        "sha1sum" => |sh, args| digest(sh, args, "sha1sum", |b| hex::encode(sha1::Sha1::digest(b))),
        "sha224sum" => |sh, args| digest(sh, args, "sha224sum", |b| hex::encode(sha2::Sha224::digest(b))),
        "sha256sum" => |sh, args| digest(sh, args, "sha256sum", |b| hex::encode(sha2::Sha256::digest(b))),
        "sha384sum" => |sh, args| digest(sh, args, "sha384sum", |b| hex::encode(sha2::Sha384::digest(b))),
        "sha512sum" => |sh, args| digest(sh, args, "sha512sum", |b| hex::encode(sha2::Sha512::digest(b))),
        "base64" => base64,
        "xxd" | "hexdump" | "od" | "hd" => dump,
        _ => return None,
    })
}

fn digest(sh: &mut Shell, args: &[String], tool: &str, sum: fn(&[u8]) -> String) -> u8 {
    let options = Options::new(args, "");
    let mut status = 0;
    for (name, bytes) in inputs(sh, tool, &options.rest, &mut status) {
        sh.burn(bytes.len() * 4);
        let name = if name.is_empty() { "-" } else { &name };
        sh.say(&format!("{}  {name}", sum(&bytes)));
    }
    status
}

fn base64(sh: &mut Shell, args: &[String]) -> u8 {
    let options = Options::new(args, "w");
    let mut status = 0;
    let texts = inputs(sh, "base64", &options.rest, &mut status);
    let bytes = texts.into_iter().map(|(_, b)| b).next().unwrap_or_default();
    if options.letters.contains(['d', 'D']) || options.has_long("decode") {
        let clean: Vec<u8> = bytes.into_iter().filter(|b| !b.is_ascii_whitespace()).collect();
        let whole = clean.get(..clean.len() / 4 * 4).unwrap_or_default();
        let decoded = STANDARD.decode(whole).ok();
        sh.out(&decoded.clone().unwrap_or_default());
        if decoded.is_none() || whole.len() != clean.len() {
            return sh.fail("base64: invalid input");
        }
        return status;
    }
    let width = options.value('w').and_then(|w| w.parse().ok()).unwrap_or(76usize);
    let text = STANDARD.encode(bytes);
    if width == 0 {
        sh.out(text.as_bytes());
        return status;
    }
    for line in text.as_bytes().chunks(width) {
        sh.out(line);
        sh.out(b"\n");
    }
    status
}

fn dump(sh: &mut Shell, args: &[String]) -> u8 {
    let tool = args.first().map_or("xxd", |a| a.rsplit('/').next().unwrap_or("xxd")).to_owned();
    let options = Options::new(args, if tool == "od" { "NtAjw" } else { "lnsgeo" });
    let mut status = 0;
    let texts = inputs(sh, &tool, &options.rest, &mut status);
    let bytes = texts.into_iter().map(|(_, b)| b).next().unwrap_or_default();
    let limit = options
        .value('l')
        .or(options.value('n'))
        .or(options.value('N'))
        .and_then(|n| n.parse().ok())
        .unwrap_or(usize::MAX);
    let bytes = bytes.get(..limit.min(bytes.len())).unwrap_or_default();
    let printable = |row: &[u8]| -> String {
        row.iter().map(|b| if (0x20..0x7f).contains(b) { char::from(*b) } else { '.' }).collect()
    };
    if tool == "xxd" && options.has('p') {
        for row in bytes.chunks(30) {
            sh.say(&hex::encode(row));
        }
        return status;
    }
    let canonical = matches!(tool.as_str(), "xxd" | "hd") || options.has('C');
    if !canonical {
        words(sh, &tool, &options, bytes);
        return status;
    }
    for (index, row) in bytes.chunks(16).enumerate() {
        let mut hexes = String::new();
        for (at, byte) in row.iter().enumerate() {
            let gap = match tool.as_str() {
                "xxd" if at % 2 == 0 && at > 0 => " ",
                "xxd" => "",
                _ if at == 8 => "  ",
                _ if at > 0 => " ",
                _ => "",
            };
            let _ = write!(hexes, "{gap}{byte:02x}");
        }
        let line = if tool == "xxd" {
            format!("{:08x}: {hexes:<39}  {}", index * 16, printable(row))
        } else {
            format!("{:08x}  {hexes:<48}  |{}|", index * 16, printable(row))
        };
        sh.say(&line);
        if sh.is_stopped() {
            return status;
        }
    }
    if tool != "xxd" {
        sh.say(&format!("{:08x}", bytes.len()));
    }
    status
}

/// `od` and `hexdump` without `-C`: words of two bytes, single bytes, or characters.
fn words(sh: &mut Shell, tool: &str, options: &Options, bytes: &[u8]) {
    let kind = options.value('t').unwrap_or_default();
    let (characters, single) = (options.has('c') || kind.starts_with('c'), options.has('b') || kind == "x1");
    let hexes = tool == "hexdump" || kind.starts_with('x');
    let offset = |at: usize| if tool == "hexdump" { format!("{at:07x}") } else { format!("{at:07o}") };
    for (index, row) in bytes.chunks(16).enumerate() {
        let mut line = offset(index * 16);
        if characters || single {
            for byte in row {
                let _ = match byte {
                    _ if single && hexes => write!(line, " {byte:02x}"),
                    _ if single => write!(line, " {byte:03o}"),
                    b'\n' => write!(line, "  \\n"),
                    b'\t' => write!(line, "  \\t"),
                    0 => write!(line, "  \\0"),
                    0x20..0x7f => write!(line, "   {}", char::from(*byte)),
                    _ => write!(line, " {byte:03o}"),
                };
            }
        } else {
            for pair in row.chunks(2) {
                let word = pair.iter().rev().fold(0u16, |w, b| w << 8 | u16::from(*b));
                let _ = if hexes { write!(line, " {word:04x}") } else { write!(line, " {word:06o}") };
            }
        }
        sh.say(&line);
        if sh.is_stopped() {
            return;
        }
    }
    sh.say(&offset(bytes.len()));
}

/// MD5 (RFC 1321). For looks only.
pub(in crate::decoy) fn md5(bytes: &[u8]) -> [u8; 16] {
    const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let sines: [u32; 64] = std::array::from_fn(|i| {
        let sine = f64::from(u32::try_from(i).unwrap_or(0) + 1).sin().abs() * 4_294_967_296.0;
        // The table of the RFC is exactly this, cut to 32 bits.
        sine as u32
    });
    let mut message = bytes.to_vec();
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend((bytes.len() as u64).wrapping_mul(8).to_le_bytes());
    let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in message.chunks_exact(64) {
        let mut words = [0u32; 16];
        for (word, four) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = four.iter().rev().fold(0, |w, b| w << 8 | u32::from(*b));
        }
        let [mut a, mut b, mut c, mut d] = state;
        for (i, sine) in sines.iter().enumerate() {
            let (mix, at) = match i / 16 {
                0 => (b & c | !b & d, i),
                1 => (d & b | !d & c, 5 * i + 1),
                2 => (b ^ c ^ d, 3 * i + 5),
                _ => (c ^ (b | !d), 7 * i),
            };
            let sum = a.wrapping_add(mix).wrapping_add(*sine).wrapping_add(words[at % 16]);
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(TURNS[i / 16][i % 4]));
        }
        for (word, add) in state.iter_mut().zip([a, b, c, d]) {
            *word = word.wrapping_add(add);
        }
    }
    let mut out = [0; 16];
    for (four, word) in out.chunks_exact_mut(4).zip(state) {
        four.copy_from_slice(&word.to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_gives_the_answers_of_its_rfc() {
        for (text, expected) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            assert_eq!(hex::encode(md5(text.as_bytes())), expected);
        }
    }
}
