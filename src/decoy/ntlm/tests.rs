use proptest::prelude::*;

use super::*;
use crate::decoy::testing;

/// A client's first message, with the flags of a Windows 10.
pub(crate) fn negotiate() -> Vec<u8> {
    hex::decode("4e544c4d535350000100000097b208e2000000000000000000000000000000000a00614a0000000f").unwrap()
}

/// A client's answer to a challenge message.
pub(crate) fn answer(challenge: &[u8], user: &str, domain: &str, password: &str) -> Vec<u8> {
    let server: &[u8] = &challenge[24..32];
    let info = {
        let length = u16::from_le_bytes([challenge[40], challenge[41]]).into();
        let offset = u32::from_le_bytes(challenge[44..48].try_into().unwrap()) as usize;
        le::part(challenge, offset, length).unwrap()
    };
    let mut blob = vec![1, 1, 0, 0, 0, 0, 0, 0];
    blob.u64(0).put(b"clientch").u32(0).put(info).u32(0);
    let hash = hmac_md5(&md4(&le::wide(password)), &[&le::wide(&format!("{}{domain}", user.to_uppercase()))]);
    let proof = hmac_md5(&hash, &[server, &blob]);
    let nt = [&proof[..], &blob].concat();
    let parts = [
        vec![0; 24],
        nt,
        le::wide(domain),
        le::wide(user),
        le::wide("ATTACKER"),
        Rc4::new(&hmac_md5(&hash, &[&proof])).apply(&[7; 16]),
    ];
    let mut out = b"NTLMSSP\0\x03\0\0\0".to_vec();
    let mut offset = 72;
    for part in &parts {
        out.u16(le::short(part.len())).u16(le::short(part.len())).u32(offset);
        offset += le::long(part.len());
    }
    out.u32(0xe288_8215).put(&[10, 0, 0x61, 0x4a, 0, 0, 0, 15]);
    out.extend(parts.concat());
    out
}

/// The client's side of what follows [`answer`]'s message.
pub(crate) fn mirror(message: &[u8]) -> Layer {
    let message = Authenticate::parse(message).unwrap();
    let Layer { client, server, sealed } = message.layer(&[7; 16]).unwrap();
    Layer { client: server, server: client, sealed }
}

fn host() -> Host {
    let mut persona = testing::persona(&["smb"]);
    persona.nmap_os = "windows".into();
    persona.hostname = "DESKTOP-1A2B3C4".into();
    Host::new(&persona)
}

#[test]
fn a_login_is_taken_and_checked() {
    let mut exchange = Exchange::new().unwrap();
    let Step::Continue(challenge) = exchange.step(&host(), &negotiate()) else { panic!() };
    assert_eq!(&challenge[48..56], &[10, 0, 0x61, 0x4a, 0, 0, 0, 15]);
    assert!(le::text(&challenge[56..]).starts_with("DESKTOP-1A2B3C4"));
    let token = answer(&challenge, "Admin", "CORP", "Passw0rd");
    let Step::Done(message) = exchange.step(&host(), &token) else { panic!() };
    assert_eq!((&*message.user, &*message.domain, &*message.workstation), ("Admin", "CORP", "ATTACKER"));
    assert_eq!(message.verify(&exchange.challenge, "Passw0rd"), Some([7; 16]));
    assert_eq!(message.verify(&exchange.challenge, "other"), None);
    let accounts = [("ADMIN".to_owned(), "x".to_owned()), ("admin".to_owned(), "Passw0rd".to_owned())];
    assert!(message.admitted(&exchange.challenge, &accounts).is_some());
    assert!(exchange.accepted(&message, Some(&[7; 16])).is_empty());
}

#[test]
fn seals_open() {
    let message = Authenticate { flags: 0xe288_8215, ..Authenticate::default() };
    let (mut client, _) = message.seals(&[5; 16]);
    let mut reader = client.clone();
    let sealed = client.seal(b"hello");
    assert_eq!(reader.open(&sealed).as_deref(), Some(&b"hello"[..]));
    assert!(reader.clone().open(b"short").is_none() && reader.open(&[0; 40]).is_none());
}

#[test]
fn samba_s_challenge() {
    let host = Host::new(&testing::persona(&["smb"]));
    let bytes = challenge(&host, 0x6208_8215, &[1, 2, 3, 4, 5, 6, 7, 8]);
    // Captured from smbd 4.17.12, up to the time.
    let want = "4e544c4d53535000020000000e000e003800000015828a620102030405060708";
    assert!(hex::encode(&bytes).starts_with(want));
    let rest = "060100000000000f460049004c00450053003000320002000e00460049004c00450053003000320001000e00460049004c004500530030003200040000000300";
    assert!(hex::encode(&bytes).contains(rest));
}

proptest! {
    #[test]
    fn any_token_is_taken(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0u8..5) {
        let mut exchange = Exchange::new().unwrap();
        let _ = exchange.step(&host(), &bytes);
        let message = [SIGNATURE, &[kind, 0, 0, 0], &bytes].concat();
        if let Step::Done(message) = exchange.step(&host(), &message) {
            let _ = message.verify(&exchange.challenge, "x");
            let _ = message.anonymous();
        }
    }
}
