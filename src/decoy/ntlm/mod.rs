//! NTLM (MS-NLMP) from the server's side, bare or inside SPNEGO: what smb, rdp, mssql and ldap take logins with.
//!
//! [`Exchange`] is one login: feed it the client's tokens, and send what it gives back until it gives an
//! [`Authenticate`]. [`Authenticate::verify`] checks that against a password, and
//! [`Authenticate::record`] records it with all that offline cracking needs.

pub(crate) mod crypto;
mod host;
mod spnego;

use self::crypto::{Rc4, hmac_md5, md4};
pub(crate) use self::host::Host;
pub(crate) use self::spnego::hello;
use super::le::{self, Put as _, Reader};
use crate::decoy::session::Recorder;
use crate::event::{Kind, SecretKind};

/// What every message begins with.
const SIGNATURE: &[u8] = b"NTLMSSP\0";
/// Most bytes of a list of mechanisms that are kept for its check code.
const MECHANISMS_MAX: usize = 1024;

/// Flags of the messages.
mod flag {
    pub(super) const UNICODE: u32 = 0x1;
    pub(super) const OEM: u32 = 0x2;
    pub(super) const SIGN: u32 = 0x10;
    pub(super) const SEAL: u32 = 0x20;
    pub(super) const NTLM: u32 = 0x200;
    pub(super) const TARGET_DOMAIN: u32 = 0x1_0000;
    pub(super) const TARGET_SERVER: u32 = 0x2_0000;
    pub(super) const EXTENDED: u32 = 0x8_0000;
    pub(super) const TARGET_INFO: u32 = 0x80_0000;
    pub(super) const KEY_128: u32 = 0x2000_0000;
    pub(super) const KEY_EXCHANGE: u32 = 0x4000_0000;
    pub(super) const KEY_56: u32 = 0x8000_0000;
    /// What a server agrees to: sign, seal, always sign, version, key lengths and the above.
    pub(super) const AGREED: u32 = 0xe208_8237;
}

/// One login.
pub(crate) struct Exchange {
    /// The server's challenge.
    pub(crate) challenge: [u8; 8],
    mechanisms: Option<Vec<u8>>,
    bare: bool,
}

/// What a token leads to.
pub(crate) enum Step {
    /// Send this back and wait for more.
    Continue(Vec<u8>),
    /// The client answered the challenge.
    Done(Box<Authenticate>),
    /// It is no token, or of a mechanism that there is none of.
    Bad,
}

impl Exchange {
    /// A new login with a challenge of its own; none when the system has no randomness.
    pub(crate) fn new() -> Option<Self> {
        let mut challenge = [0; 8];
        getrandom::fill(&mut challenge).ok()?;
        Some(Self { challenge, mechanisms: None, bare: false })
    }

    /// Takes the client's next token.
    pub(crate) fn step(&mut self, host: &Host, token: &[u8]) -> Step {
        let Some(token) = spnego::parse(token) else { return Step::Bad };
        if let Some(list) = token.mechanisms.filter(|list| list.len() <= MECHANISMS_MAX) {
            self.mechanisms = Some(list.to_vec());
        }
        let Some(message) = token.ntlm else {
            return if token.offers_ntlm { Step::Continue(spnego::request()) } else { Step::Bad };
        };
        self.bare = token.bare;
        match message.get(8..12) {
            Some([1, 0, 0, 0]) => {
                let Some(flags) = message.get(12..16).and_then(|b| Reader::new(b).u32()) else {
                    return Step::Bad;
                };
                let reply = challenge(host, flags, &self.challenge);
                Step::Continue(if token.bare { reply } else { spnego::challenge(&reply) })
            }
            Some([3, 0, 0, 0]) => match Authenticate::parse(message) {
                Some(mut message) => {
                    message.checked = token.mic;
                    Step::Done(Box::new(message))
                }
                None => Step::Bad,
            },
            _ => Step::Bad,
        }
    }

    /// The token that tells the client it is in; empty where there was no SPNEGO. `key` is that of
    /// [`Authenticate::verify`].
    pub(crate) fn accepted(&self, message: &Authenticate, key: Option<&[u8; 16]>) -> Vec<u8> {
        if self.bare {
            return Vec::new();
        }
        let mic = match (key, &self.mechanisms) {
            (Some(key), Some(list)) if message.checked && message.flags & flag::EXTENDED != 0 => {
                Some(Seal::new(key, message.flags, Side::Server).sign(list))
            }
            _ => None,
        };
        spnego::accepted(mic.as_ref().map(|m| &m[..]))
    }
}

/// The message with the challenge.
fn challenge(host: &Host, asked: u32, challenge: &[u8; 8]) -> Vec<u8> {
    let member = host.is_member();
    let mut flags = asked & flag::AGREED | flag::NTLM | flag::TARGET_INFO;
    flags |= if member { flag::TARGET_DOMAIN } else { flag::TARGET_SERVER };
    let unicode = flags & flag::UNICODE != 0;
    if unicode {
        flags &= !flag::OEM;
    }
    let authority = host.authority();
    let target = if unicode { le::wide(authority) } else { authority.as_bytes().to_vec() };
    let mut info = Vec::new();
    let mut pair = |id: u16, value: &[u8]| {
        info.u16(id).u16(le::short(value.len())).put(value);
    };
    let (domain, name) = match (&host.domain, host.system.windows) {
        (Some(domain), _) => (domain.clone(), host.fqdn()),
        // Windows in a workgroup is its own domain; Samba knows none.
        (None, true) => (host.hostname.clone(), host.hostname.clone()),
        (None, false) => (String::new(), host.hostname.to_ascii_lowercase()),
    };
    pair(2, &le::wide(authority));
    pair(1, &le::wide(&host.computer));
    pair(4, &le::wide(&domain));
    pair(3, &le::wide(&name));
    if member {
        pair(5, &le::wide(&domain));
    }
    pair(7, &le::now().to_le_bytes());
    pair(0, &[]);
    let mut out = SIGNATURE.to_vec();
    out.u32(2).u16(le::short(target.len())).u16(le::short(target.len())).u32(56);
    out.u32(flags).put(challenge).u64(0);
    out.u16(le::short(info.len())).u16(le::short(info.len())).u32(56 + le::long(target.len()));
    let major = if host.system.windows { [10, 0] } else { [6, 1] };
    out.put(&major).u16(host.system.ntlm_build).put(&[0, 0, 0, 15]);
    out.put(&target).put(&info);
    out
}

/// The client's answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Authenticate {
    flags: u32,
    /// User name.
    pub(crate) user: String,
    /// Domain the user is said to be of.
    pub(crate) domain: String,
    /// The client's name of itself.
    pub(crate) workstation: String,
    lm: Vec<u8>,
    nt: Vec<u8>,
    key: Vec<u8>,
    version: Option<[u8; 4]>,
    checked: bool,
}

impl Authenticate {
    /// Reads the message; parts that point outside of it are none.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes.get(12..)?);
        let mut field = || {
            let (length, _, offset) = (reader.u16()?, reader.u16()?, reader.u32()?);
            le::part(bytes, usize::try_from(offset).ok()?, length.into())
        };
        let (lm, nt) = (field()?, field()?);
        let (domain, user, workstation) = (field()?, field()?, field()?);
        // A client from before NTLM's second version stops here.
        let key = field().unwrap_or_default();
        let flags = bytes.get(60..64).and_then(|b| Reader::new(b).u32()).unwrap_or(flag::UNICODE);
        let text = |bytes: &[u8]| {
            if flags & flag::UNICODE != 0 {
                le::text(bytes)
            } else {
                String::from_utf8_lossy(bytes).into_owned()
            }
        };
        let version = bytes.get(64..68).and_then(|b| <[u8; 4]>::try_from(b).ok());
        Some(Self {
            flags,
            user: text(user),
            domain: text(domain),
            workstation: text(workstation),
            lm: lm.to_vec(),
            nt: nt.to_vec(),
            key: key.to_vec(),
            version: version.filter(|_| flags & 0x200_0000 != 0),
            checked: false,
        })
    }

    /// Without NTLMSSP around it, as SMB 1 and others have it.
    pub(crate) fn plain(user: String, domain: String, lm: &[u8], nt: &[u8]) -> Self {
        Self { user, domain, lm: lm.to_vec(), nt: nt.to_vec(), ..Self::default() }
    }

    /// Whether nobody wants to log in.
    pub(crate) fn anonymous(&self) -> bool {
        self.user.is_empty() && self.nt.is_empty() && matches!(self.lm[..], [] | [0])
    }

    /// The session key when the answer is that of `password`, else none. NTLM's first version never is: a
    /// patched host refuses it.
    pub(crate) fn verify(&self, challenge: &[u8; 8], password: &str) -> Option<[u8; 16]> {
        let (proof, blob) = self.nt.split_at_checked(16).filter(|(_, blob)| blob.len() > 8)?;
        let identity = le::wide(&format!("{}{}", self.user.to_uppercase(), self.domain));
        let hash = hmac_md5(&md4(&le::wide(password)), &[&identity]);
        if hmac_md5(&hash, &[challenge, blob]) != proof {
            return None;
        }
        let base = hmac_md5(&hash, &[proof]);
        if self.flags & flag::KEY_EXCHANGE == 0 || self.key.is_empty() {
            return Some(base);
        }
        Rc4::new(&base).apply(&self.key).try_into().ok()
    }

    /// The password of `accounts` that fits this user and answer: its index is lost, its key is given.
    pub(crate) fn admitted(&self, challenge: &[u8; 8], accounts: &[(String, String)]) -> Option<[u8; 16]> {
        accounts
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(&self.user))
            .find_map(|(_, password)| self.verify(challenge, password))
    }

    /// Both ends' ciphers of a session under `key`: what the client says, and what the server says.
    pub(crate) fn seals(&self, key: &[u8; 16]) -> (Seal, Seal) {
        (Seal::new(key, self.flags, Side::Client), Seal::new(key, self.flags, Side::Server))
    }

    /// How what follows the login is protected, where the client asked for that.
    pub(crate) fn layer(&self, key: &[u8; 16]) -> Option<Layer> {
        let sealed = self.flags & flag::SEAL != 0;
        if self.flags & flag::EXTENDED == 0 || !sealed && self.flags & flag::SIGN == 0 {
            return None;
        }
        let (mut client, mut server) = self.seals(key);
        // The check codes of SPNEGO were each side's first signatures; the ciphers start anew after them.
        client.sequence = u32::from(self.checked);
        server.sequence = client.sequence;
        Some(Layer { client, server, sealed })
    }

    /// Records the login.
    pub(crate) fn record(&self, record: &Recorder, challenge: &[u8; 8], ok: bool) {
        let mut draft = record.event(Kind::Login, "ntlm").outcome(ok).user(self.user.as_bytes());
        if self.nt.len() > 24 {
            let (proof, blob) = self.nt.split_at(16);
            draft = draft
                .secret(hex::encode(&self.nt).as_bytes(), SecretKind::NtlmV2)
                .text("ntlm.nt_proof", &hex::encode(proof))
                .text("ntlm.blob", &hex::encode(blob));
        } else if !self.nt.is_empty() || self.lm.len() > 1 {
            draft = draft
                .secret(hex::encode(&self.nt).as_bytes(), SecretKind::NtlmV1)
                .text("ntlm.lm_response", &hex::encode(&self.lm))
                .text("ntlm.nt_response", &hex::encode(&self.nt));
        }
        if let Some([major, minor, low, high]) = self.version {
            let build = u16::from_le_bytes([low, high]);
            draft = draft.text("ntlm.client_version", &format!("{major}.{minor}.{build}"));
        }
        draft
            .text("ntlm.domain", &self.domain)
            .text("ntlm.workstation", &self.workstation)
            .text("ntlm.server_challenge", &hex::encode(challenge))
            .emit();
    }
}

/// Who speaks.
#[derive(Clone, Copy)]
enum Side {
    Client,
    Server,
}

/// Signs and enciphers what one side says (MS-NLMP §3.4, extended session security).
#[derive(Clone)]
pub(crate) struct Seal {
    sign: [u8; 16],
    cipher: Rc4,
    exchange: bool,
    sequence: u32,
}

impl Seal {
    fn new(key: &[u8; 16], flags: u32, side: Side) -> Self {
        let direction = match side {
            Side::Client => "client-to-server",
            Side::Server => "server-to-client",
        };
        let derive = |key: &[u8], what: &str| {
            let magic = format!("session key to {direction} {what} key magic constant\0");
            md5::compute([key, magic.as_bytes()].concat()).0
        };
        let length = match flags {
            f if f & flag::KEY_128 != 0 => 16,
            f if f & flag::KEY_56 != 0 => 7,
            _ => 5,
        };
        let cipher = Rc4::new(&derive(&key[..length], "sealing"));
        Self { sign: derive(key, "signing"), cipher, exchange: flags & flag::KEY_EXCHANGE != 0, sequence: 0 }
    }

    /// The signature of `message`.
    pub(crate) fn sign(&mut self, message: &[u8]) -> [u8; 16] {
        let sequence = self.sequence.to_le_bytes();
        self.sequence = self.sequence.wrapping_add(1);
        let code = hmac_md5(&self.sign, &[&sequence, message]);
        let mut out = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        if self.exchange {
            out[4..12].copy_from_slice(&self.cipher.apply(&code[..8]));
        } else {
            out[4..12].copy_from_slice(&code[..8]);
        }
        out[12..].copy_from_slice(&sequence);
        out
    }

    /// Enciphers `message`: signature, then text.
    pub(crate) fn seal(&mut self, message: &[u8]) -> Vec<u8> {
        let text = self.cipher.apply(message);
        let mut out = self.sign(message).to_vec();
        out.extend(text);
        out
    }

    /// Deciphers what [`Seal::seal`] of this side made; none when its signature is wrong.
    pub(crate) fn open(&mut self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (signature, text) = sealed.split_at_checked(16)?;
        let text = self.cipher.apply(text);
        (self.sign(&text) == signature).then_some(text)
    }
}

/// A conversation whose messages are signed, or enciphered too.
pub(crate) struct Layer {
    client: Seal,
    server: Seal,
    sealed: bool,
}

impl Layer {
    /// What the client said; none when its signature is wrong.
    pub(crate) fn open(&mut self, token: &[u8]) -> Option<Vec<u8>> {
        if self.sealed {
            return self.client.open(token);
        }
        let (signature, text) = token.split_at_checked(16)?;
        (self.client.sign(text) == signature).then(|| text.to_vec())
    }

    /// What the server says.
    pub(crate) fn wrap(&mut self, text: &[u8]) -> Vec<u8> {
        if self.sealed {
            return self.server.seal(text);
        }
        [&self.server.sign(text)[..], text].concat()
    }
}

#[cfg(test)]
pub(crate) mod tests;
