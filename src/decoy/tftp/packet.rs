//! Requests and their options (RFC 1350, 2347, 2348, 2349), read as tftp-hpa reads them.

/// Largest block: what fits into one packet of any network.
pub(super) const BLOCK_MAX: usize = crate::decoy::datagram::ANSWER_MAX - 4;
/// Block of a transfer that agreed on nothing.
const BLOCK: usize = 512;
/// Most options that are looked at.
const OPTIONS_MAX: usize = 16;

pub(super) const RRQ: u16 = 1;
pub(super) const WRQ: u16 = 2;
pub(super) const DATA: u16 = 3;
pub(super) const ACK: u16 = 4;
pub(super) const ERROR: u16 = 5;
const OACK: u16 = 6;

/// Two bytes, as a number.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|word| u16::from_be_bytes(*word))
}

/// A packet of a number, a second one and the rest.
pub(super) fn packet(opcode: u16, number: u16, rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rest.len().saturating_add(4));
    out.extend(opcode.to_be_bytes());
    out.extend(number.to_be_bytes());
    out.extend_from_slice(rest);
    out
}

/// An error of at most `room` bytes: its words are left out where they do not fit.
pub(super) fn error(code: u16, words: &str, room: usize) -> Vec<u8> {
    let full = packet(ERROR, code, &[words.as_bytes(), b"\0"].concat());
    if full.len() <= room { full } else { packet(ERROR, code, b"\0") }
}

/// A request to read or write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request<'p> {
    pub(super) write: bool,
    pub(super) name: &'p [u8],
    pub(super) mode: &'p [u8],
    pub(super) ascii: bool,
    options: Vec<(&'p [u8], &'p [u8])>,
}

/// What was agreed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) block: usize,
    /// Options that the answer repeats; none: a plain transfer.
    options: Vec<(Vec<u8>, u64)>,
}

impl<'p> Request<'p> {
    /// Reads what follows the opcode.
    ///
    /// # Errors
    /// Words of the error that is due, and as much as was read.
    pub(super) fn parse(write: bool, bytes: &'p [u8]) -> Result<Self, (&'static str, &'p [u8])> {
        // Fields end with a zero; what has none is no field.
        let mut fields = bytes.split(|b| *b == 0);
        let ends = bytes.iter().filter(|b| **b == 0).count();
        let mut fields = fields.by_ref().take(ends);
        let name = fields.next().unwrap_or(bytes);
        let missing = || ("Missing mode", name);
        let mode = fields.next().filter(|_| !name.is_empty()).ok_or_else(missing)?;
        let ascii = mode.eq_ignore_ascii_case(b"netascii");
        if !ascii && !mode.eq_ignore_ascii_case(b"octet") {
            return Err(("Unknown mode", name));
        }
        let mut options = Vec::new();
        while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
            if options.len() < OPTIONS_MAX {
                options.push((key, value));
            }
        }
        Ok(Self { write, name, mode, ascii, options })
    }

    /// Settles the options; `size`: of the file that is read. None: one of them cannot be had.
    pub(super) fn agree(&self, size: usize) -> Option<Agreed> {
        let mut agreed = Agreed { block: BLOCK, options: Vec::new() };
        for (key, value) in &self.options {
            let number = std::str::from_utf8(value).ok().and_then(|v| v.parse::<u64>().ok());
            let key_lower = key.to_ascii_lowercase();
            let known: &[u8] = &key_lower;
            let answer = match (known, number) {
                (b"blksize", Some(8..=65464)) => Some(number?.min(BLOCK_MAX as u64)),
                (b"blksize2", Some(8..=65464)) => Some(1u64 << number?.min(BLOCK_MAX as u64).ilog2()),
                (b"tsize", Some(n)) => Some(if self.write { n } else { size as u64 }),
                (b"timeout", Some(1..=255)) | (b"utimeout", Some(10_000..=255_000_000)) => number,
                (b"rollover", Some(0..=1)) => number,
                (b"blksize" | b"blksize2" | b"tsize" | b"timeout" | b"utimeout" | b"rollover", _) => {
                    return None;
                }
                _ => continue,
            };
            let answer = answer?;
            if known.starts_with(b"blksize") {
                agreed.block = usize::try_from(answer).ok()?;
            }
            agreed.options.push((key.to_vec(), answer));
        }
        Some(agreed)
    }
}

impl Agreed {
    /// What was agreed on, as the peer is told; none when there is nothing to tell.
    pub(super) fn packet(&self) -> Option<Vec<u8>> {
        if self.options.is_empty() {
            return None;
        }
        let mut out = OACK.to_be_bytes().to_vec();
        for (key, value) in &self.options {
            out.extend_from_slice(key);
            out.push(0);
            out.extend_from_slice(value.to_string().as_bytes());
            out.push(0);
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_tftp_hpa_reads_them() {
        let read = |bytes: &'static [u8]| Request::parse(false, bytes);
        let words = |bytes: &'static [u8]| read(bytes).unwrap_err().0;
        assert_eq!(words(b"hello.txt\0"), "Missing mode");
        assert_eq!(words(b"hello.txt"), "Missing mode");
        assert_eq!(words(b"\0octet\0"), "Missing mode");
        assert_eq!(words(b"hello.txt\0mail\0"), "Unknown mode");
        assert!(!read(b"a\0OcTeT\0").unwrap().ascii && read(b"a\0netascii\0").unwrap().ascii);
        let told = |bytes: &'static [u8]| read(bytes).unwrap().agree(1500).map(|a| (a.block, a.packet()));
        let some = |block, packet: &[u8]| Some((block, Some(packet.to_vec())));
        assert_eq!(
            told(b"big\0octet\0blksize\x001024\0tsize\x000\0timeout\x003\0"),
            some(1024, b"\0\x06blksize\x001024\0tsize\x001500\0timeout\x003\0")
        );
        assert_eq!(told(b"b\0octet\0foo\0bar\0"), Some((512, None)));
        assert_eq!(
            told(b"b\0octet\0utimeout\x0050000\0rollover\x001\0windowsize\x004\0"),
            some(512, b"\0\x06utimeout\x0050000\0rollover\x001\0")
        );
        assert_eq!(told(b"b\0octet\0BLKSIZE\x0065464\0"), some(1468, b"\0\x06BLKSIZE\x001468\0"));
        assert_eq!(told(b"b\0octet\0blksize2\x002000\0").map(|t| t.0), Some(1024));
        assert_eq!(told(b"b\0octet\0blksize\x004\0"), None);
        assert_eq!(told(b"b\0octet\0timeout\x000\0"), None);
        assert_eq!(error(1, "File not found", 19), b"\0\x05\0\x01File not found\0");
        assert_eq!(error(1, "File not found", 18), b"\0\x05\0\x01\0");
    }
}
