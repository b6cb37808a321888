//! CredSSP (MS-CSSP), versions 2 to 6: NTLM over TLS before a session.

use std::io;

use sha2::{Digest as _, Sha256};

use crate::decoy::Session;
use crate::decoy::ber::{self, Reader, tag};
use crate::decoy::le;
use crate::decoy::ntlm::{Exchange, Host, Seal, Step};
use crate::event::{Kind, SecretKind};

/// Longest request.
const REQUEST_MAX: usize = 16 * 1024;
/// The version a patched Windows speaks.
const VERSION: i64 = 6;
const LOGON_FAILURE: i64 = 0xc000_006d;

/// One TSRequest.
#[derive(Debug, Default)]
struct Request {
    version: i64,
    token: Option<Vec<u8>>,
    credentials: Option<Vec<u8>>,
    binding: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
}

impl Request {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(bytes).enter(tag::SEQUENCE)?;
        let mut out = Self::default();
        while let Some((field, contents)) = fields.next() {
            let mut inner = Reader::new(contents);
            match field {
                0xa0 => out.version = inner.integer(tag::INTEGER)?,
                0xa1 => {
                    let mut one = inner.enter(tag::SEQUENCE)?.enter(tag::SEQUENCE)?;
                    out.token = Some(one.enter(0xa0)?.expect(tag::OCTETS)?.to_vec());
                }
                0xa2 => out.credentials = Some(inner.expect(tag::OCTETS)?.to_vec()),
                0xa3 => out.binding = Some(inner.expect(tag::OCTETS)?.to_vec()),
                0xa5 => out.nonce = Some(inner.expect(tag::OCTETS)?.to_vec()),
                _ => {}
            }
        }
        Some(out)
    }
}

/// Reads a request; none at the end, or when it is none.
async fn read(session: &mut Session, pending: &mut Vec<u8>) -> io::Result<Option<Request>> {
    loop {
        match ber::frame(pending, REQUEST_MAX) {
            Err(()) => return Ok(None),
            Ok(Some(length)) if pending.len() >= length => {
                let rest = pending.split_off(length);
                return Ok(Request::parse(&std::mem::replace(pending, rest)));
            }
            Ok(_) => {}
        }
        if !super::tpkt::more(session, pending).await? {
            return Ok(None);
        }
    }
}

fn answer(field: u8, contents: Vec<u8>) -> Vec<u8> {
    let version = ber::group(0xa0, &[ber::number(tag::INTEGER, VERSION)]);
    ber::group(tag::SEQUENCE, &[version, ber::group(field, &[contents])])
}

/// A check that both ends see the same certificate.
fn binding(direction: &str, version: i64, nonce: &[u8], key: &[u8]) -> Vec<u8> {
    if version < 5 {
        return key.to_vec();
    }
    let magic = format!("CredSSP {direction} Binding Hash\0");
    Sha256::digest([magic.as_bytes(), nonce, key].concat()).to_vec()
}

/// Takes a login; whether it came out well. `key` is the public key of the certificate.
pub(super) async fn accept(
    session: &mut Session,
    pending: &mut Vec<u8>,
    host: &Host,
    accounts: &[(String, String)],
    key: &[u8],
) -> io::Result<bool> {
    let Some(mut exchange) = Exchange::new() else { return Ok(false) };
    for _ in 0..4 {
        let Some(request) = read(session, pending).await? else {
            session.record.error("protocol", "malformed CredSSP request");
            return Ok(false);
        };
        let Some(token) = &request.token else { return Ok(false) };
        match exchange.step(host, token) {
            Step::Continue(reply) => {
                let one =
                    ber::group(tag::SEQUENCE, &[ber::group(0xa0, &[ber::element(tag::OCTETS, &reply)])]);
                let tokens = ber::group(tag::SEQUENCE, &[one]);
                session.write(&answer(0xa1, tokens)).await?;
            }
            Step::Done(message) => {
                let known = message.admitted(&exchange.challenge, accounts);
                message.record(&session.record, &exchange.challenge, known.is_some());
                let Some(secret) = known else {
                    if request.version >= 3 {
                        session.write(&answer(0xa4, ber::number(tag::INTEGER, LOGON_FAILURE))).await?;
                    }
                    return Ok(false);
                };
                let (mut client, mut server) = message.seals(&secret);
                return delegate(session, pending, &request, (&mut client, &mut server), key).await;
            }
            Step::Bad => return Ok(false),
        }
    }
    Ok(false)
}

/// Proves the certificate to a client that is in, and takes the password it hands over.
async fn delegate(
    session: &mut Session,
    pending: &mut Vec<u8>,
    request: &Request,
    (client, server): (&mut Seal, &mut Seal),
    key: &[u8],
) -> io::Result<bool> {
    let nonce = request.nonce.clone().unwrap_or_default();
    let opened = request.binding.as_deref().and_then(|sealed| client.open(sealed));
    let version = request.version.min(VERSION);
    if opened.as_deref() != Some(&binding("Client-To-Server", version, &nonce, key)[..]) {
        session.record.error("protocol", "CredSSP is bound to another certificate");
        return Ok(false);
    }
    let mut proof = binding("Server-To-Client", version, &nonce, key);
    if version < 5
        && let Some(first) = proof.first_mut()
    {
        *first = first.wrapping_add(1);
    }
    session.write(&answer(0xa3, ber::element(tag::OCTETS, &server.seal(&proof)))).await?;
    let Some(last) = read(session, pending).await? else { return Ok(false) };
    let Some(clear) = last.credentials.as_deref().and_then(|sealed| client.open(sealed)) else {
        return Ok(false);
    };
    if let Some([domain, user, password]) = credentials(&clear) {
        session
            .record
            .event(Kind::Login, "credssp")
            .outcome(true)
            .user(user.as_bytes())
            .secret(password.as_bytes(), SecretKind::Plaintext)
            .text("rdp.domain", &domain)
            .emit();
    }
    Ok(true)
}

/// Domain, user and password of a TSCredentials with a password.
fn credentials(bytes: &[u8]) -> Option<[String; 3]> {
    let mut outer = Reader::new(bytes).enter(tag::SEQUENCE)?;
    if outer.enter(0xa0)?.integer(tag::INTEGER)? != 1 {
        return None;
    }
    let inner = outer.enter(0xa1)?.expect(tag::OCTETS)?;
    let mut fields = Reader::new(inner).enter(tag::SEQUENCE)?;
    let mut text = |field: u8| Some(le::text(fields.enter(field)?.expect(tag::OCTETS)?));
    Some([text(0xa0)?, text(0xa1)?, text(0xa2)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_all_kinds() {
        let nmap = hex::decode("3037a003020160a130302e302ca02a04284e544c4d535350000100000 0b78208e2000000000000000000000000000000000a00634500000 00f".replace(' ', "")).unwrap();
        let request = Request::parse(&nmap).unwrap();
        assert_eq!((request.version, request.token.unwrap().len()), (0x60, 40));
        assert!(Request::parse(b"\x30\x03\xa0\x01\x02").is_none());
        let texts = ["CORP", "bob", "pw"].map(le::wide);
        let parts: Vec<_> =
            texts.iter().zip(0xa0..).map(|(t, n)| ber::group(n, &[ber::element(tag::OCTETS, t)])).collect();
        let inner = ber::group(tag::SEQUENCE, &parts);
        let whole = ber::group(
            tag::SEQUENCE,
            &[
                ber::group(0xa0, &[ber::number(tag::INTEGER, 1)]),
                ber::group(0xa1, &[ber::element(tag::OCTETS, &inner)]),
            ],
        );
        assert_eq!(credentials(&whole).unwrap(), ["CORP", "bob", "pw"]);
    }
}
