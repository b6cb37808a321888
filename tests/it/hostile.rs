//! What an attacker may put wherever text goes, said to every service that takes text: the record stays clean.
//!
//! redis, http, ftp and telnet have theirs in `events`; Modbus, S7 and VNC have no text of the client's.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use decnet::decoy::ber::{self, tag};
use serde_json::{Value, json};

use crate::common::hostile::HOSTILE;
use crate::common::{World, eventually, tls};

/// How many of the texts that no terminal may see as they are each service must have recorded. Those whose
/// protocol ends a field at a line end, a NUL or a blank lose a few.
const LEAST: usize = 60;

/// One way to say a text to a service.
enum Way {
    /// On a connection of its own.
    Stream(fn(&[u8]) -> Vec<u8>),
    /// The same inside TLS.
    Tls(fn(&[u8]) -> Vec<u8>),
    Datagram(fn(&[u8]) -> Vec<u8>),
    /// Taking turns.
    Turns(fn(TcpStream, &[u8]) -> Option<()>),
}

/// Every service, the port it is asked on, and how.
const WAYS: &[(&str, u16, Way)] = &[
    ("conpot", 80, Way::Stream(web)),
    ("dns", 53, Way::Datagram(question)),
    ("dns", 53, Way::Stream(question_on_a_stream)),
    ("docker_api", 2375, Way::Stream(docker)),
    ("docker_api", 2375, Way::Stream(web)),
    ("elasticsearch", 9200, Way::Stream(elasticsearch)),
    ("elasticsearch", 9200, Way::Stream(web)),
    ("https", 443, Way::Tls(web)),
    ("imap", 143, Way::Stream(imap)),
    ("k8s", 6443, Way::Tls(k8s)),
    ("k8s", 8080, Way::Stream(k8s)),
    ("ldap", 389, Way::Stream(ldap)),
    ("llmnr", 5355, Way::Stream(question_on_a_stream)),
    ("llmnr", 5355, Way::Datagram(question)),
    ("mongodb", 27_017, Way::Stream(mongodb)),
    ("mqtt", 1883, Way::Stream(mqtt)),
    ("mqtt", 1883, Way::Stream(mqtt_as_it_is)),
    ("mssql", 1433, Way::Stream(mssql)),
    ("mysql", 3306, Way::Stream(mysql)),
    ("pop3", 110, Way::Stream(pop3)),
    ("postgres", 5432, Way::Stream(postgres)),
    ("rdp", 3389, Way::Stream(rdp)),
    ("sip", 5060, Way::Datagram(sip)),
    ("sip", 5060, Way::Stream(sip)),
    ("smb", 445, Way::Turns(smb)),
    ("smtp", 25, Way::Stream(smtp)),
    ("smtp_relay", 25, Way::Stream(smtp)),
    ("snmp", 161, Way::Datagram(snmp)),
    ("snmp", 161, Way::Datagram(snmp_user)),
    ("ssh", 22, Way::Stream(ssh)),
    ("tftp", 69, Way::Datagram(tftp)),
    ("till", 9100, Way::Stream(lines)),
    ("till", 9101, Way::Datagram(lines)),
];

const SETTINGS: &str = "[ssh.ssh]\naccept = all\n[postgres.postgres]\nauth = password\n[mssql.mssql]\npassword = x\n\
     [imap.imap]\naccept = all\nplaintext_auth = true\n[pop3.pop3]\naccept = all\nplaintext_auth = true\n\
     [rdp.rdp]\nnla = false\n[custom-till]\nports = 9100\nudp_ports = 9101\nanswers =\n\
     \x20   USER {user} => ok\\r\\n\n    PASS {secret} => no\\r\\n\ndefault = ?\\r\\n\n";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn wide(bytes: &[u8]) -> Vec<u8> {
    text(bytes).encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// With a length of two bytes before it.
fn counted(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn encoded(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("%{b:02x}")).collect()
}

fn request(method: &str, path: &[u8], headers: &[u8], body: &[u8]) -> Vec<u8> {
    let length = format!("\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let head = [method.as_bytes(), b" ", path, b" HTTP/1.1\r\nHost: x", length.as_bytes(), headers];
    [&head.concat(), &b"\r\n"[..], body].concat()
}

fn basic(of: &[u8]) -> Vec<u8> {
    let basic = STANDARD.encode([of, b":", of].concat());
    format!("Authorization: Basic {basic}\r\n").into_bytes()
}

/// What cannot break a request, then what can: path, query, headers, cookie.
fn web(of: &[u8]) -> Vec<u8> {
    let path = format!("/{0}?q={0}", encoded(of));
    let whole = request("GET", path.as_bytes(), &basic(of), b"");
    let headers = [b"User-Agent: ", of, b"\r\nCookie: a=", of, b"\r\nX-A: ", of, b"\r\n"].concat();
    let raw = request("GET", &[b"/", of, b"?q=", of].concat(), &headers, b"");
    [whole, raw].concat()
}

fn docker(of: &[u8]) -> Vec<u8> {
    let (shown, path) = (text(of), encoded(of));
    let auth = STANDARD.encode(json!({"username": shown, "password": shown}).to_string());
    let container = json!({"Image": shown, "Cmd": ["sh", "-c", shown], "Env": [shown], "Hostname": shown,
        "Labels": {shown.clone(): shown}, "HostConfig": {"Binds": [shown], "Privileged": true}});
    let login = json!({"username": shown, "password": shown, "serveraddress": shown});
    let post = |path: &str, headers: &str, body: &Value| {
        request("POST", path.as_bytes(), headers.as_bytes(), body.to_string().as_bytes())
    };
    [
        post(&format!("/containers/create?name={path}"), "", &container),
        post("/auth", "", &login),
        post(
            &format!("/images/create?fromImage={path}&tag={path}"),
            &format!("X-Registry-Auth: {auth}\r\n"),
            &json!({}),
        ),
        request("POST", b"/containers/create", b"", of),
    ]
    .concat()
}

fn elasticsearch(of: &[u8]) -> Vec<u8> {
    let (shown, path) = (text(of), encoded(of));
    let search =
        json!({"query": {"match": {shown.clone(): shown}}, "script_fields": {"x": {"script": shown}}});
    let at = |of: String| of.into_bytes();
    [
        request("PUT", &at(format!("/{path}/_doc/{path}")), &basic(of), b"{\"a\":1}"),
        request("POST", &at(format!("/{path}/_search?q={path}")), b"", search.to_string().as_bytes()),
        request("POST", b"/_search", b"", of),
        request("POST", b"/_bulk", b"", &[of, b"\n"].concat()),
    ]
    .concat()
}

fn k8s(of: &[u8]) -> Vec<u8> {
    let (shown, path) = (text(of), encoded(of));
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": shown},
        "spec": {"containers": [{"name": shown, "image": shown, "command": [shown]}]}});
    let bearer = [b"Authorization: Bearer ", of, b"\r\nUser-Agent: ", of, b"\r\n"].concat();
    let place = format!("/api/v1/namespaces/{path}/pods");
    [
        request("POST", place.as_bytes(), b"", pod.to_string().as_bytes()),
        request("GET", format!("{place}/{path}/log?container={path}").as_bytes(), &basic(of), b""),
        request("GET", b"/api/v1/secrets", &bearer, b""),
    ]
    .concat()
}

/// A question whose first label is the text.
fn question(of: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let label = &of[..of.len().min(63)];
    packet.push(u8::try_from(label.len()).unwrap());
    packet.extend_from_slice(label);
    packet.extend_from_slice(b"\x04corp\x03lan\0\0\x01\0\x01");
    packet
}

fn question_on_a_stream(of: &[u8]) -> Vec<u8> {
    counted(&question(of))
}

fn literal(of: &[u8]) -> Vec<u8> {
    [format!("{{{}+}}\r\n", of.len()).as_bytes(), of].concat()
}

fn plain(of: &[u8]) -> String {
    STANDARD.encode([b"\0", of, b"\0", of].concat())
}

fn imap(of: &[u8]) -> Vec<u8> {
    let given = literal(of);
    [
        format!("a AUTHENTICATE PLAIN {}\r\n", plain(b"root")).as_bytes(),
        b"b SELECT ",
        &given,
        b"\r\nc SEARCH SUBJECT ",
        &given,
        b"\r\nd CREATE ",
        &given,
        b"\r\ne SELECT INBOX\r\nf SEARCH TEXT ",
        &given,
        b"\r\ng ",
        of,
        b"\r\nh LOGIN ",
        &given,
        b" ",
        &given,
        b"\r\ni LOGOUT\r\n",
    ]
    .concat()
}

fn pop3(of: &[u8]) -> Vec<u8> {
    let plain = plain(of);
    [b"USER ", of, b"\r\nPASS ", of, b"\r\n", of, b"\r\nAUTH PLAIN ", plain.as_bytes(), b"\r\nQUIT\r\n"]
        .concat()
}

fn smtp(of: &[u8]) -> Vec<u8> {
    let given = STANDARD.encode(of);
    let mail = [
        b"EHLO ",
        of,
        b"\r\nEHLO me\r\nVRFY ",
        of,
        b"\r\nMAIL FROM:<",
        of,
        b"@example.org>\r\nRSET\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<",
        of,
        b"@example.org>\r\nRCPT TO:<root>\r\nDATA\r\nSubject: ",
        of,
        b"\r\nFrom: ",
        of,
        b"\r\n\r\n",
        of,
        b"\r\n.\r\n",
        of,
        b"\r\n",
    ];
    // The answer to a wrong password takes its time, so this is the last.
    let login = format!("AUTH LOGIN\r\n{given}\r\n{given}\r\nAUTH PLAIN {}\r\nQUIT\r\n", plain(of));
    [&mail.concat(), login.as_bytes()].concat()
}

fn ldap(of: &[u8]) -> Vec<u8> {
    let octets = |bytes: &[u8]| ber::element(tag::OCTETS, bytes);
    let message =
        |id: i64, operation: Vec<u8>| ber::group(tag::SEQUENCE, &[ber::number(tag::INTEGER, id), operation]);
    let bind = ber::group(0x60, &[ber::number(tag::INTEGER, 3), octets(of), ber::element(0x80, of)]);
    let search = ber::group(
        0x63,
        &[
            octets(of),
            ber::number(tag::ENUMERATED, 2),
            ber::number(tag::ENUMERATED, 0),
            ber::number(tag::INTEGER, 0),
            ber::number(tag::INTEGER, 0),
            ber::element(tag::BOOLEAN, &[0]),
            ber::group(0xa3, &[octets(b"uid"), octets(of)]),
            ber::group(tag::SEQUENCE, &[octets(of)]),
        ],
    );
    let sicily = |token: &[u8]| {
        let token = ber::group(0xa3, &[octets(b"GSS-SPNEGO"), octets(token)]);
        ber::group(0x60, &[ber::number(tag::INTEGER, 3), octets(b""), token])
    };
    [
        message(1, bind),
        message(2, search),
        message(3, ber::element(0x4a, of)),
        message(4, sicily(NTLM_BEGIN)),
        message(5, sicily(&ntlm(of))),
    ]
    .concat()
}

/// The first message of NTLM.
pub const NTLM_BEGIN: &[u8] = b"NTLMSSP\0\x01\0\0\0\x15\x82\x08\x62\0\0\0\0\x28\0\0\0\0\0\0\0\x28\0\0\0";

/// The client's answer to a challenge.
fn ntlm(of: &[u8]) -> Vec<u8> {
    let name = wide(of);
    let mut out = b"NTLMSSP\0\x03\0\0\0".to_vec();
    let mut data = Vec::new();
    for field in [&[1u8; 24][..], &[2; 60], &name, &name, &name, &[]] {
        let length = u16::try_from(field.len()).unwrap().to_le_bytes();
        out.extend([length, length].concat());
        out.extend(u32::try_from(64 + data.len()).unwrap().to_le_bytes());
        data.extend_from_slice(field);
    }
    out.extend(0x6208_8215_u32.to_le_bytes());
    [out, data].concat()
}

/// BSON's elements.
pub fn element(kind: u8, name: &str, value: &[u8]) -> Vec<u8> {
    [&[kind], name.as_bytes(), b"\0", value].concat()
}

pub fn string(name: &str, of: &str) -> Vec<u8> {
    let length = i32::try_from(of.len() + 1).unwrap().to_le_bytes();
    element(2, name, &[&length, of.as_bytes(), b"\0"].concat())
}

fn binary(name: &str, of: &[u8]) -> Vec<u8> {
    element(5, name, &[&i32::try_from(of.len()).unwrap().to_le_bytes(), &[0][..], of].concat())
}

pub fn document(parts: &[Vec<u8>]) -> Vec<u8> {
    let body = parts.concat();
    let length = i32::try_from(body.len() + 5).unwrap().to_le_bytes();
    [&length, &body[..], b"\0"].concat()
}

fn mongodb(of: &[u8]) -> Vec<u8> {
    let shown = text(of);
    let number = |name: &str| element(16, name, &1i32.to_le_bytes());
    let command = |parts: &[Vec<u8>]| {
        let body = document(parts);
        let length = i32::try_from(body.len() + 21).unwrap();
        let head: Vec<u8> = [length, 1, 0, 2013, 0].iter().flat_map(|n| n.to_le_bytes()).collect();
        [&head[..], &[0], &body].concat()
    };
    let database = string("$db", "admin");
    let first =
        [b"n,,n=", &shown.replace('=', "=3D").replace(',', "=2C").into_bytes()[..], b",r=abc"].concat();
    let start = |mechanism: &str, payload: &[u8]| {
        let parts = [
            number("saslStart"),
            string("mechanism", mechanism),
            binary("payload", payload),
            database.clone(),
        ];
        command(&parts)
    };
    let filter = element(3, "filter", &document(&[string("name", &shown)]));
    [
        start("PLAIN", &[b"\0", of, b"\0", of].concat()),
        start(&shown, of),
        start("SCRAM-SHA-256", &first),
        command(&[number("saslContinue"), binary("payload", b"c=biws,r=abc,p=AAAA"), database.clone()]),
        command(&[string("find", &shown), filter, string("$db", &shown)]),
        command(&[string("insert", &shown), string(&shown.replace('\0', ""), "x"), database]),
    ]
    .concat()
}

fn mqtt_packet(first: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let size =
        if length < 128 { vec![length as u8] } else { vec![(length & 127 | 128) as u8, (length >> 7) as u8] };
    [&[first], &size[..], body].concat()
}

fn mqtt_of(name: &[u8], of: &[u8]) -> Vec<u8> {
    let given = counted(name);
    let head = b"\0\x04MQTT\x04\xc6\0\x3c";
    let connect = [head, &given[..], &given, &counted(of), &given, &counted(of)].concat();
    [
        mqtt_packet(0x10, &connect),
        mqtt_packet(0x82, &[b"\0\x01", &given[..], b"\0"].concat()),
        mqtt_packet(0x30, &[&given, of].concat()),
    ]
    .concat()
}

/// Names are UTF-8 without NUL, or the connection ends.
fn mqtt(of: &[u8]) -> Vec<u8> {
    mqtt_of(text(of).replace('\0', "").as_bytes(), of)
}

fn mqtt_as_it_is(of: &[u8]) -> Vec<u8> {
    mqtt_of(of, of)
}

fn mssql(of: &[u8]) -> Vec<u8> {
    let packet = |kind: u8, body: &[u8]| {
        let length = u16::try_from(body.len() + 8).unwrap().to_be_bytes();
        [&[kind, 1, length[0], length[1], 0, 0, 1, 0], body].concat()
    };
    let login = |user: &[u8], password: &[u8]| {
        let mut head = vec![0u8; 36];
        head[4..8].copy_from_slice(&0x7400_0004_u32.to_le_bytes());
        let name = wide(of);
        let password: Vec<u8> = wide(password).iter().map(|b| b.rotate_left(4) ^ 0xa5).collect();
        let mut data = Vec::new();
        for field in [&name, &wide(user), &password, &name, &name, &Vec::new(), &name, &name, &name] {
            head.extend(u16::try_from(94 + data.len()).unwrap().to_le_bytes());
            head.extend(u16::try_from(field.len() / 2).unwrap().to_le_bytes());
            data.extend_from_slice(field);
        }
        head.resize(94, 0);
        let mut all = [head, data].concat();
        let length = u32::try_from(all.len()).unwrap().to_le_bytes();
        all[..4].copy_from_slice(&length);
        packet(16, &all)
    };
    // The one gets in and asks.
    if of.len().is_multiple_of(2) {
        let sql = [&wide(b"exec xp_cmdshell '"), &wide(of)[..], &wide(b"'")].concat();
        let headers = [22u32, 18].map(u32::to_le_bytes).concat();
        let headers = [&headers[..], b"\x02\0\0\0\0\0\0\0\0\0\x01\0\0\0"].concat();
        return [login(b"sa", b"x"), packet(1, &[&headers, &sql[..]].concat())].concat();
    }
    login(of, of)
}

fn mysql(of: &[u8]) -> Vec<u8> {
    // A user ends at a NUL.
    let name: Vec<u8> = of.iter().copied().filter(|b| *b != 0).collect();
    let capabilities: u32 = 1 | 1 << 3 | 1 << 9 | 1 << 15 | 1 << 19;
    let mut body = capabilities.to_le_bytes().to_vec();
    body.extend([0, 0, 0, 1, 45]);
    body.extend([0; 23]);
    body.extend([&name, &b"\0\x14"[..], &[7; 20], &name, b"\0mysql_native_password\0"].concat());
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&length[..3], &[1], &body].concat()
}

fn postgres(of: &[u8]) -> Vec<u8> {
    let name: Vec<u8> = of.iter().copied().filter(|b| *b != 0).collect();
    let long = |body: &[u8]| [&u32::try_from(body.len() + 4).unwrap().to_be_bytes(), body].concat();
    let mut body = vec![0, 3, 0, 0];
    for key in [&b"user"[..], b"database", b"application_name"] {
        body.extend([key, b"\0", &name, b"\0"].concat());
    }
    body.push(0);
    [long(&body), b"p".to_vec(), long(&[&name[..], b"\0"].concat())].concat()
}

fn rdp(of: &[u8]) -> Vec<u8> {
    let tpkt = |body: &[u8]| {
        let length = u16::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[3, 0, length[0], length[1]], body].concat()
    };
    let cookie = [b"\xe0\0\0\0\0\0Cookie: mstshash=", of, b"\r\n"].concat();
    let asks = [&[u8::try_from(cookie.len()).unwrap()], &cookie[..]].concat();
    let name = wide(of);
    let mut info = b"\x40\0\0\0\0\0\0\0\x1b\0\0\0".to_vec();
    for _ in 0..5 {
        info.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
    }
    for _ in 0..5 {
        info.extend([&name[..], b"\0\0"].concat());
    }
    let length = u16::try_from(info.len()).unwrap() | 0x8000;
    let sent = [b"\x02\xf0\x80\x64\0\x07\x03\xeb\x70", &length.to_be_bytes()[..], &info].concat();
    [tpkt(&asks), tpkt(&sent)].concat()
}

fn sip(of: &[u8]) -> Vec<u8> {
    [
        b"REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK1\r\nTo: \"",
        of,
        b"\" <sip:100@x>\r\nFrom: <sip:",
        of,
        b"@x>;tag=1\r\nUser-Agent: ",
        of,
        b"\r\nCall-ID: ",
        of,
        b"\r\nCSeq: 1 REGISTER\r\nAuthorization: Digest username=\"",
        of,
        b"\", realm=\"asterisk\", nonce=\"1/2\", uri=\"sip:x\", response=\"1ba12ef5632dbbc46989\
           24f89df558f5\", algorithm=MD5\r\nContent-Length: 0\r\n\r\n",
    ]
    .concat()
}

/// One message of SMB2 and what comes back.
pub fn smb_say(
    stream: &mut TcpStream,
    command: u16,
    id: u64,
    session: u64,
    tree: u32,
    body: &[u8],
) -> Option<Vec<u8>> {
    let mut packet = b"\xfeSMB\x40\0\x01\0\0\0\0\0".to_vec();
    packet.extend([command, 0x20].map(u16::to_le_bytes).concat());
    packet.extend([0; 8]);
    packet.extend(id.to_le_bytes());
    packet.extend([0; 4]);
    packet.extend(tree.to_le_bytes());
    packet.extend(session.to_le_bytes());
    packet.extend([0; 16]);
    packet.extend_from_slice(body);
    let length = u32::try_from(packet.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, &packet[..]].concat()).ok()?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).ok()?;
    Some(answer)
}

/// Logs in under the text, then goes on as a guest to a share and a file that it names.
fn smb(mut stream: TcpStream, of: &[u8]) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let negotiate = [b"\x24\0\x01\0\x01\0\0\0\0\0\0\0", &[9; 16][..], &[0; 8], b"\x02\x02"].concat();
    smb_say(&mut stream, 0, 0, 0, 0, &negotiate)?;
    let setup = |token: &[u8]| {
        let length = u16::try_from(token.len()).unwrap().to_le_bytes();
        [b"\x19\0\0\x01\0\0\0\0\0\0\0\0\x58\0", &length[..], &[0; 8], token].concat()
    };
    let answer = smb_say(&mut stream, 1, 1, 0, 0, &setup(NTLM_BEGIN))?;
    let session = u64::from_le_bytes(answer.get(40..48)?.try_into().ok()?);
    let answer = smb_say(&mut stream, 1, 2, session, 0, &setup(&ntlm(of)))?;
    if answer.get(8..12)? != [0; 4] {
        return None;
    }
    let path = |share: &[u8]| {
        let path = [&wide(b"\\\\x\\"), &wide(share)[..]].concat();
        [b"\x09\0\0\0\x48\0", &u16::try_from(path.len()).unwrap().to_le_bytes()[..], &path].concat()
    };
    smb_say(&mut stream, 3, 3, session, 0, &path(of))?;
    let answer = smb_say(&mut stream, 3, 4, session, 0, &path(b"IPC$"))?;
    let tree = u32::from_le_bytes(answer.get(36..40)?.try_into().ok()?);
    let name = wide(of);
    let mut create = b"\x39\0\0\0\x02\0\0\0".to_vec();
    create.extend([0; 16]);
    create.extend([0x12_0089_u32, 0, 7, 1, 0].map(u32::to_le_bytes).concat());
    create.extend(b"\x78\0");
    create.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
    create.extend([0; 8]);
    create.extend(name);
    smb_say(&mut stream, 5, 5, session, tree, &create).map(drop)
}

fn snmp(of: &[u8]) -> Vec<u8> {
    let octets = |bytes: &[u8]| ber::element(tag::OCTETS, bytes);
    let name = ber::identifier(&[1, 3, 6, 1, 2, 1, 1, 4, 0]);
    let list = ber::group(tag::SEQUENCE, &[ber::group(tag::SEQUENCE, &[name, octets(of)])]);
    let zero = || ber::number(tag::INTEGER, 0);
    let set = ber::group(0xa3, &[ber::number(tag::INTEGER, 7), zero(), zero(), list]);
    ber::group(tag::SEQUENCE, &[ber::number(tag::INTEGER, 1), octets(of), set])
}

/// Version 3: a user and a context.
fn snmp_user(of: &[u8]) -> Vec<u8> {
    let octets = |bytes: &[u8]| ber::element(tag::OCTETS, bytes);
    let number = |n: i64| ber::number(tag::INTEGER, n);
    let security =
        [octets(b"\x80\0\x1f\x88\x80"), number(1), number(1), octets(of), octets(&[7; 12]), octets(&[])];
    let get = ber::group(0xa0, &[number(1), number(0), number(0), ber::group(tag::SEQUENCE, &[])]);
    ber::group(
        tag::SEQUENCE,
        &[
            number(3),
            ber::group(tag::SEQUENCE, &[number(1), number(1500), octets(&[5]), number(3)]),
            octets(&ber::group(tag::SEQUENCE, &security)),
            ber::group(tag::SEQUENCE, &[octets(of), octets(of), get]),
        ],
    )
}

fn ssh(of: &[u8]) -> Vec<u8> {
    [b"SSH-2.0-", of, b"\r\n"].concat()
}

fn tftp(of: &[u8]) -> Vec<u8> {
    [b"\0\x01", of, b"\0", of, b"\0"].concat()
}

fn lines(of: &[u8]) -> Vec<u8> {
    [b"USER ", of, b"\r\nPASS ", of, b"\r\n", of, b"\r\n"].concat()
}

struct Trusting;

impl russh::client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        _: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

/// Logs in with the first as user and password, then runs each.
async fn inside_ssh(at: SocketAddrV4, part: &[&[u8]]) -> Result<(), russh::Error> {
    let mut session = russh::client::connect(Arc::default(), at, Trusting).await?;
    let name = text(part[0]);
    assert!(session.authenticate_password(name.clone(), name.clone()).await?.success(), "{name:?}");
    for of in part {
        let mut channel = session.channel_open_session().await?;
        channel.set_env(false, text(of), text(of)).await?;
        channel.exec(true, *of).await?;
        channel.eof().await?;
        while channel.wait().await.is_some() {}
    }
    Ok(())
}

/// Sends all of it, then hears to the end, or as long as anything comes.
fn say(mut stream: impl Read + Write, close: impl FnOnce(), bytes: &[u8]) {
    if stream.write_all(bytes).and_then(|()| stream.flush()).is_ok() {
        close();
        let mut buffer = [0; 8192];
        while matches!(stream.read(&mut buffer), Ok(1..)) {}
    }
}

fn tell(way: &Way, at: SocketAddrV4, of: &[u8]) {
    let connect = || {
        let stream = TcpStream::connect(at).unwrap_or_else(|e| panic!("{at}: {e}"));
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        stream
    };
    match way {
        Way::Stream(form) => {
            let stream = connect();
            say(&stream, || drop(stream.shutdown(Shutdown::Write)), &form(of));
        }
        Way::Tls(form) => say(tls::connect(connect()), || (), &form(of)),
        Way::Datagram(form) => {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.send_to(&form(of), at).unwrap();
            // One that gets no answer waits no longer than this; there may be none.
            socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let _ = socket.recv(&mut [0; 2048]);
        }
        Way::Turns(turns) => drop(turns(connect(), of)),
    }
}

/// Every text of an event as it came: what was escaped is beside itself as base64.
fn texts(value: &Value, found: &mut Vec<Vec<u8>>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value {
                    Value::String(text) if name.ends_with("_b64") => found.extend(STANDARD.decode(text)),
                    Value::Array(list) if name.ends_with("_b64") => {
                        found.extend(list.iter().filter_map(|v| STANDARD.decode(v.as_str()?).ok()));
                    }
                    value => texts(value, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// Bytes as text that the standard library can search quickly, one character each.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

/// A label as master files have it, which is how a name is recorded.
fn master(of: &[u8]) -> Vec<u8> {
    let one = |b: &u8| match b {
        b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => vec![b'\\', *b],
        b'!'..=b'~' => vec![*b],
        b => format!("\\{b:03}").into_bytes(),
    };
    of.iter().take(63).flat_map(one).collect()
}

#[test]
fn hostile_strings_in_every_protocol_leave_a_clean_record() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let world = World::new();
    let target = receiver.local_addr().unwrap().port();
    let mut slugs: Vec<&str> = WAYS.iter().map(|(slug, ..)| *slug).collect();
    slugs.dedup();
    let mut body = format!("log_target = udp://127.0.0.1:{target}\n\n");
    for (last, slug) in (10..).zip(&slugs) {
        body.push_str(&format!("[{slug}]\nip = {}\nservices = {slug}\n", world.ip(last)));
    }
    let head = world.general();
    let file = world.write("f.ini", format!("{}\n{body}{SETTINGS}", head.trim_end()));
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let over = Arc::new(AtomicBool::new(false));
    let messages = std::thread::spawn({
        let over = over.clone();
        move || {
            let (mut buffer, mut messages) = (vec![0; 65_536], 0);
            while !over.load(Ordering::SeqCst) {
                let Ok(got) = receiver.recv(&mut buffer) else { continue };
                let message = String::from_utf8_lossy(&buffer[..got]).into_owned();
                assert!(message.bytes().all(|b| matches!(b, b' '..=b'~')), "{message:?}");
                let parsed = syslog_loose::parse_message(&message, syslog_loose::Variant::RFC5424);
                assert_ne!(parsed.hostname, Some("forged"), "{message}");
                assert_eq!(parsed.structured_data.len(), 1, "{message}");
                messages += 1;
            }
            messages
        }
    });
    let ip = |slug: &str| -> Ipv4Addr {
        world.ip(10 + u8::try_from(slugs.iter().position(|s| *s == slug).unwrap()).unwrap())
    };
    let jobs: Vec<_> = HOSTILE.iter().flat_map(|of| WAYS.iter().map(move |way| (of, way))).collect();
    let next = AtomicUsize::new(0);
    let ssh_at = SocketAddrV4::new(ip("ssh"), world.offset + 22);
    // Key exchanges are slow without optimisation.
    let parts: Vec<&[&[u8]]> = HOSTILE.chunks(12).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            for part in &parts {
                let limit = Duration::from_secs(60);
                let all =
                    runtime.block_on(async { tokio::time::timeout(limit, inside_ssh(ssh_at, part)).await });
                all.expect("in time").expect("a session");
            }
        });
        // Some wait for an answer that does not come; no source may have more than 32 connections.
        for _ in 0..24 {
            scope.spawn(|| {
                while let Some((of, (slug, port, way))) = jobs.get(next.fetch_add(1, Ordering::SeqCst)) {
                    tell(way, SocketAddrV4::new(ip(slug), world.offset + port), of);
                }
            });
        }
    });
    let odd: Vec<&&[u8]> = HOSTILE.iter().filter(|of| of.iter().any(|b| !matches!(b, b' '..=b'~'))).collect();
    let counts = |all: &[Value]| -> Vec<(&str, usize)> {
        let count = |slug: &str| {
            let mut found = Vec::new();
            all.iter().filter(|e| e["service"] == slug).for_each(|e| texts(e, &mut found));
            found.sort_unstable();
            found.dedup();
            let found: Vec<String> = found.iter().map(|text| latin(text)).collect();
            let has = |of: &[u8]| found.iter().any(|text| text.contains(&latin(of)));
            let label = matches!(slug, "dns" | "llmnr");
            odd.iter()
                .filter(|of| if label { has(&master(of)) } else { has(of) || has(text(of).as_bytes()) })
                .count()
        };
        slugs.iter().map(|slug| (*slug, count(slug))).collect()
    };
    // A line that is being written is no whole line yet.
    let size = || -> u64 {
        let files = std::fs::read_dir(world.state().join("events")).unwrap();
        files.map(|f| f.unwrap().metadata().map_or(0, |m| m.len())).sum()
    };
    let mut before = 0;
    eventually("silence", || {
        std::thread::sleep(Duration::from_millis(300));
        let now = size();
        (std::mem::replace(&mut before, now) == now).then_some(())
    });
    let all = eventually("hostile text of every service", || {
        let all = world.clean_events();
        let counts = counts(&all);
        println!("{counts:?} of {}", odd.len());
        counts.iter().all(|(_, count)| *count >= LEAST).then_some(all)
    });
    for part in &parts {
        let of = text(part[0]);
        let login = |e: &&Value| e["service"] == "ssh" && e["kind"] == "login";
        let known = all.iter().filter(login).any(|e| {
            let raw = e["user_b64"].as_str().map(|b| STANDARD.decode(b).unwrap());
            raw.as_deref().or(e["user"].as_str().map(str::as_bytes)) == Some(of.as_bytes())
        });
        assert!(known, "{of:?}");
    }
    over.store(true, Ordering::SeqCst);
    let messages = messages.join().unwrap();
    println!("{messages} messages, {} events", all.len());
    assert!(messages > all.len() / 4, "{messages} messages of {} events", all.len());
}
