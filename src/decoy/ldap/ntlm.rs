//! NTLM (MS-NLMP) as far as it takes to be given an answer that can be cracked: a challenge, and what comes
//! back to it. Nobody's is right.

use crate::decoy::domain::Domain;
use crate::decoy::session::Recorder;
use crate::event::{Kind, SecretKind};

const SIGNATURE: &[u8] = b"NTLMSSP\0";

/// Where a token begins in whatever it is wrapped in.
pub(super) fn find(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.windows(SIGNATURE.len()).position(|w| w == SIGNATURE)?;
    bytes.get(at..)
}

/// Which step a token is: 1 offers, 3 answers.
pub(super) fn step(token: &[u8]) -> Option<u8> {
    token.get(8).copied()
}

/// The second step: the challenge, and who asks.
pub(super) fn challenge(domain: &Domain, challenge: [u8; 8], build: u16, now: i64) -> Vec<u8> {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let name = wide(&domain.netbios);
    let mut info = Vec::new();
    let fqdn = domain.fqdn();
    let texts =
        [(2u16, &domain.netbios), (1, &domain.computer), (4, &domain.dns), (3, &fqdn), (5, &domain.dns)];
    for (kind, text) in texts {
        let text = wide(text);
        info.extend(kind.to_le_bytes());
        info.extend(u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
        info.extend(text);
    }
    let ticks = u64::try_from(now.saturating_add(11_644_473_600)).unwrap_or(0).saturating_mul(10_000_000);
    info.extend([7, 0, 8, 0]);
    info.extend(ticks.to_le_bytes());
    info.extend([0; 4]);
    let field = |length: usize, at: usize| {
        let length = u16::try_from(length).unwrap_or(0).to_le_bytes();
        [&length[..], &length, &u32::try_from(at).unwrap_or(0).to_le_bytes()].concat()
    };
    let mut out = SIGNATURE.to_vec();
    out.extend(2u32.to_le_bytes());
    out.extend(field(name.len(), 56));
    out.extend(0xe289_8215u32.to_le_bytes());
    out.extend(challenge);
    out.extend([0; 8]);
    out.extend(field(info.len(), 56 + name.len()));
    out.extend([10, 0]);
    out.extend(build.to_le_bytes());
    out.extend([0, 0, 0, 15]);
    out.extend(name);
    out.extend(info);
    out
}

/// Records the third step: who it was, and the responses with all that belongs to them.
pub(super) fn record(record: &Recorder, action: &str, token: &[u8], challenge: &[u8; 8]) {
    let field = |at: usize| -> &[u8] {
        let word = |at: usize| Some(usize::from(u16::from_le_bytes([*token.get(at)?, *token.get(at + 1)?])));
        let part = || {
            let start = word(at + 4)? | word(at + 6)? << 16;
            token.get(start..start.checked_add(word(at)?)?)
        };
        part().unwrap_or_default()
    };
    let wide = token.get(60).is_some_and(|flags| flags & 1 != 0);
    let text = |bytes: &[u8]| {
        if wide {
            let units: Vec<u16> = bytes.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
            String::from_utf16_lossy(&units)
        } else {
            String::from_utf8_lossy(bytes).into_owned()
        }
    };
    let (lm, nt) = (field(12), field(20));
    let (domain, user, workstation) = (text(field(28)), text(field(36)), text(field(44)));
    let draft = record
        .event(Kind::Login, action)
        .outcome(false)
        .user(user.as_bytes())
        .text("ntlm.domain", &domain)
        .text("ntlm.workstation", &workstation)
        .field("ntlm.server_challenge", hex::encode(challenge));
    if nt.is_empty() {
        return draft.emit();
    }
    let secret = hex::encode(nt);
    match nt.split_at_checked(16) {
        Some((proof, blob)) if nt.len() > 24 => draft
            .secret(secret.as_bytes(), SecretKind::NtlmV2)
            .field("ntlm.nt_proof", hex::encode(proof))
            .text("ntlm.blob", &hex::encode(blob)),
        _ => draft
            .secret(secret.as_bytes(), SecretKind::NtlmV1)
            .field("ntlm.lm_response", hex::encode(lm))
            .field("ntlm.nt_response", secret.clone()),
    }
    .emit();
}

/// SPNEGO's answer around a token (RFC 4178 §4.2.2): "go on, with NTLM", or "no".
pub(super) fn wrap(token: Option<&[u8]>, go_on: bool) -> Vec<u8> {
    use crate::decoy::ber::{element, group, identifier, tag};
    let mechanism = identifier(&[1, 3, 6, 1, 4, 1, 311, 2, 2, 10]);
    let state = element(0xa0, &[tag::ENUMERATED, 1, if go_on { 1 } else { 2 }]);
    let mut parts = vec![state];
    if go_on {
        parts.push(element(0xa1, &mechanism));
    }
    if let Some(token) = token {
        parts.push(element(0xa2, &element(tag::OCTETS, token)));
    }
    element(0xa1, &group(tag::SEQUENCE, &parts))
}
