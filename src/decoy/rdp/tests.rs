use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::decoy::le::{self, Put as _};
use crate::decoy::testing::{self, Client};

fn start(os: &str, nla: Option<bool>) -> Client {
    let mut persona = testing::persona(&["rdp"]);
    persona.nmap_os = os.into();
    let settings = nla.map(|nla| ("nla".to_owned(), nla.into())).into_iter().collect();
    testing::connect(build, &persona, &settings)
}

fn request(protocols: Option<u32>) -> Vec<u8> {
    let mut rest = b"Cookie: mstshash=bob\r\n".to_vec();
    if let Some(protocols) = protocols {
        rest.u8(1).u8(0).u16(8).u32(protocols);
    }
    let mut body = vec![u8::try_from(rest.len() + 6).unwrap(), 0xe0, 0, 0, 0, 0, 0];
    body.put(&rest);
    tpkt::packet(&body)
}

async fn reply(client: &mut Client) -> Vec<u8> {
    let mut head = [0; 4];
    if client.stream.read_exact(&mut head).await.is_err() {
        return Vec::new();
    }
    let mut out = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]])) - 4];
    client.stream.read_exact(&mut out).await.unwrap();
    out
}

#[tokio::test]
async fn the_product_and_the_setting_choose_the_protocol() {
    // Asked for, chosen; or the reason why not, after a sign.
    for (os, nla, asked, want) in [
        ("windows", None, 3, 2),
        ("windows", None, 11, 8),
        ("windows", None, 1, 1),
        ("windows", None, 0, 0),
        ("windows", Some(false), 11, 1),
        ("windows", Some(false), 2, 2),
        ("windows", Some(true), 3, 2),
        ("windows", Some(true), 1, -5),
        ("linux", None, 11, 1),
        ("linux", None, 2, 0),
        ("linux", Some(true), 3, 2),
    ] {
        let mut c = start(os, nla);
        c.send(&request(Some(asked))).await;
        let answer = reply(&mut c).await;
        let value = i64::from(u32::from_le_bytes(answer[11..15].try_into().unwrap()));
        let got = if answer[7] == 2 { value } else { -value };
        assert_eq!(got, want, "{os} {nla:?} {asked}");
        let event = c.kept.events().remove(0);
        assert_eq!((event.action.as_str(), event.user.unwrap().0), ("negotiate", b"bob".to_vec()));
    }
}

/// A Connect-Initial of FreeRDP 2.11.7 that asks for no channels.
fn connect() -> Vec<u8> {
    let mut core = Vec::new();
    core.u16(0xc001).u16(216).u32(0x0008_000c).u16(1024).u16(768).u16(0xca01).u16(0xaa03);
    core.u32(0x407).u32(19041).wide("ATTACKER").put(&[0; 16]);
    core.resize(216, 0);
    let mut gcc = vec![0, 5, 0, 0x14, 0x7c, 0, 1, 0x81, 0x18, 0, 8, 0, 0x10, 0, 1, 0xc0, 0];
    gcc.put(b"Duca").put(&[0x80, 216]).put(&core);
    let domain = ber(0x30, &ber(2, &[3]));
    let octets = ber(4, &[1]);
    let contents =
        [octets.clone(), octets, ber(1, &[0xff]), domain.clone(), domain.clone(), domain, ber(4, &gcc)];
    mcs::data(&[vec![0x7f], ber(0x65, &contents.concat())].concat())
}

fn ber(tag: u8, contents: &[u8]) -> Vec<u8> {
    crate::decoy::ber::element(tag, contents)
}

#[tokio::test]
async fn login_data_in_clear_text_is_recorded() {
    for os in ["windows", "linux"] {
        let mut c = start(os, None);
        c.send(&request(None)).await;
        assert_eq!(reply(&mut c).await, [6, 0xd0, 0, 0, 0x12, 0x34, 0]);
        c.send(&connect()).await;
        assert!(reply(&mut c).await.starts_with(b"\x02\xf0\x80\x7f\x66"));
        c.send(&mcs::data(&[4, 1, 0, 1, 0])).await;
        c.send(&mcs::data(&[0x28])).await;
        assert_eq!(reply(&mut c).await[3..], [0x2e, 0, 0, 3]);
        c.send(&mcs::data(&[0x38, 0, 3, 3, 0xeb])).await;
        assert_eq!(reply(&mut c).await[3..], [0x3e, 0, 0, 3, 3, 0xeb, 3, 0xeb]);
        let mut info = Vec::new();
        info.u16(0x40).u16(0).u32(0).u32(0x1b).u16(0).u16(6).u16(14).u16(0).u16(0);
        info.wide("\0bob\0hunter2\0\0\0");
        let mut sent = vec![0x64, 0, 3, 3, 0xeb, 0x70, u8::try_from(info.len()).unwrap()];
        sent.put(&info);
        c.send(&mcs::data(&sent)).await;
        assert_eq!(reply(&mut c).await[3], 0x68);
        assert_eq!(reply(&mut c).await, b"\x02\xf0\x80\x21\x80");
        let events = c.kept.events();
        let hello = events.iter().find(|e| e.action == "connect").unwrap();
        assert_eq!(
            (&hello.fields["rdp.client.name"], &hello.fields["rdp.client.keyboard"]),
            (&"ATTACKER".into(), &"00000407".into())
        );
        let login = events.iter().find(|e| e.kind == Kind::Login).unwrap();
        assert_eq!(login.user.as_ref().unwrap().0, b"bob");
        assert_eq!(login.secret.as_ref().unwrap().0, b"hunter2");
    }
}

#[tokio::test]
async fn bad_starts_are_left_as_the_product_does() {
    for bytes in
        [&b"\x03\0\0\x03\0"[..], b"\x03\0\0\x07\x02\xe0\0", b"\x16\x03\0\0\x53\x01\0\0\x4f\x03\0\x3f"]
    {
        let mut c = start("windows", None);
        c.send(bytes).await;
        assert_eq!(reply(&mut c).await, b"");
        let mut c = start("linux", None);
        c.send(bytes).await;
        assert_eq!(reply(&mut c).await, b"\x02\xf0\x80\x21\x80");
    }
}

#[test]
fn certificates_are_renewed_and_named() {
    let mut persona = testing::persona(&["rdp"]);
    persona.nmap_os = "windows".into();
    let today = jiff::Timestamp::now().as_second();
    for age in [0, 100, 181, 183, 1000] {
        persona.born = today - age * 86_400;
        drop(build(&persona, &Settings::new()));
    }
    assert_eq!(le::filetime(-11_644_473_600, 0), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_end_or_wait(bytes in proptest::collection::vec(any::<u8>(), 0..300), first in 0usize..6, windows: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut c = start(if windows { "windows" } else { "linux" }, None);
            if first > 0 {
                c.send(&request(None)).await;
                reply(&mut c).await;
            }
            match first {
                2 => c.send(&mcs::data(&[&[0x7f, 0x65][..], &bytes].concat())).await,
                3 => c.send(&mcs::data(&[&[0x64][..], &bytes].concat())).await,
                4 => {
                    let whole = connect();
                    let cut = whole.len() - bytes.len().min(whole.len() - 10);
                    c.send(&tpkt::packet(&[&whole[4..cut], &bytes[..]].concat())).await;
                }
                _ => c.send(&bytes).await,
            }
            let mut rest = Vec::new();
            let _ = tokio::time::timeout(Duration::from_millis(20), c.stream.read_to_end(&mut rest)).await;
        });
        let _ = mcs::Client::parse(&bytes);
        let _ = Info::parse(&[&[0x40, 0][..], &bytes].concat());
    }
}
