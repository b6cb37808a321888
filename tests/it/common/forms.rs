//! What a client of each protocol sends, with one text in every place that takes one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use decnet::decoy::ber::{self, tag};
use serde_json::{Value, json};

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn wide(bytes: &[u8]) -> Vec<u8> {
    text(bytes).encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// With a length of two bytes before it.
pub fn counted(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

pub fn encoded(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("%{b:02x}")).collect()
}

pub fn request(method: &str, path: &[u8], headers: &[u8], body: &[u8]) -> Vec<u8> {
    let length = format!("\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let head = [method.as_bytes(), b" ", path, b" HTTP/1.1\r\nHost: x", length.as_bytes(), headers];
    [&head.concat(), &b"\r\n"[..], body].concat()
}

pub fn basic(of: &[u8]) -> Vec<u8> {
    let basic = STANDARD.encode([of, b":", of].concat());
    format!("Authorization: Basic {basic}\r\n").into_bytes()
}

/// What cannot break a request, then what can: path, query, headers, cookie.
pub fn web(of: &[u8]) -> Vec<u8> {
    let path = format!("/{0}?q={0}", encoded(of));
    let whole = request("GET", path.as_bytes(), &basic(of), b"");
    let headers = [b"User-Agent: ", of, b"\r\nCookie: a=", of, b"\r\nX-A: ", of, b"\r\n"].concat();
    let raw = request("GET", &[b"/", of, b"?q=", of].concat(), &headers, b"");
    [whole, raw].concat()
}

pub fn docker(of: &[u8]) -> Vec<u8> {
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

pub fn elasticsearch(of: &[u8]) -> Vec<u8> {
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

pub fn k8s(of: &[u8]) -> Vec<u8> {
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
pub fn question(of: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let label = &of[..of.len().min(63)];
    packet.push(u8::try_from(label.len()).unwrap());
    packet.extend_from_slice(label);
    packet.extend_from_slice(b"\x04corp\x03lan\0\0\x01\0\x01");
    packet
}

pub fn question_on_a_stream(of: &[u8]) -> Vec<u8> {
    counted(&question(of))
}

pub fn literal(of: &[u8]) -> Vec<u8> {
    [format!("{{{}+}}\r\n", of.len()).as_bytes(), of].concat()
}

pub fn plain(of: &[u8]) -> String {
    STANDARD.encode([b"\0", of, b"\0", of].concat())
}

pub fn imap(of: &[u8]) -> Vec<u8> {
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

pub fn pop3(of: &[u8]) -> Vec<u8> {
    let plain = plain(of);
    [b"USER ", of, b"\r\nPASS ", of, b"\r\n", of, b"\r\nAUTH PLAIN ", plain.as_bytes(), b"\r\nQUIT\r\n"]
        .concat()
}

pub fn smtp(of: &[u8]) -> Vec<u8> {
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

pub fn ldap(of: &[u8]) -> Vec<u8> {
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
pub fn ntlm(of: &[u8]) -> Vec<u8> {
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

pub fn binary(name: &str, of: &[u8]) -> Vec<u8> {
    element(5, name, &[&i32::try_from(of.len()).unwrap().to_le_bytes(), &[0][..], of].concat())
}

pub fn document(parts: &[Vec<u8>]) -> Vec<u8> {
    let body = parts.concat();
    let length = i32::try_from(body.len() + 5).unwrap().to_le_bytes();
    [&length, &body[..], b"\0"].concat()
}

pub fn mongodb(of: &[u8]) -> Vec<u8> {
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

pub fn mqtt_packet(first: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let size =
        if length < 128 { vec![length as u8] } else { vec![(length & 127 | 128) as u8, (length >> 7) as u8] };
    [&[first], &size[..], body].concat()
}

pub fn mqtt_of(name: &[u8], of: &[u8]) -> Vec<u8> {
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
pub fn mqtt(of: &[u8]) -> Vec<u8> {
    mqtt_of(text(of).replace('\0', "").as_bytes(), of)
}

pub fn mqtt_as_it_is(of: &[u8]) -> Vec<u8> {
    mqtt_of(of, of)
}

pub fn mssql(of: &[u8]) -> Vec<u8> {
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

pub fn mysql(of: &[u8]) -> Vec<u8> {
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

pub fn postgres(of: &[u8]) -> Vec<u8> {
    let name: Vec<u8> = of.iter().copied().filter(|b| *b != 0).collect();
    let long = |body: &[u8]| [&u32::try_from(body.len() + 4).unwrap().to_be_bytes(), body].concat();
    let mut body = vec![0, 3, 0, 0];
    for key in [&b"user"[..], b"database", b"application_name"] {
        body.extend([key, b"\0", &name, b"\0"].concat());
    }
    body.push(0);
    [long(&body), b"p".to_vec(), long(&[&name[..], b"\0"].concat())].concat()
}

pub fn rdp(of: &[u8]) -> Vec<u8> {
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

pub fn sip(of: &[u8]) -> Vec<u8> {
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
pub fn smb(mut stream: TcpStream, of: &[u8]) -> Option<()> {
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

pub fn snmp(of: &[u8]) -> Vec<u8> {
    let octets = |bytes: &[u8]| ber::element(tag::OCTETS, bytes);
    let name = ber::identifier(&[1, 3, 6, 1, 2, 1, 1, 4, 0]);
    let list = ber::group(tag::SEQUENCE, &[ber::group(tag::SEQUENCE, &[name, octets(of)])]);
    let zero = || ber::number(tag::INTEGER, 0);
    let set = ber::group(0xa3, &[ber::number(tag::INTEGER, 7), zero(), zero(), list]);
    ber::group(tag::SEQUENCE, &[ber::number(tag::INTEGER, 1), octets(of), set])
}

/// Version 3: a user and a context.
pub fn snmp_user(of: &[u8]) -> Vec<u8> {
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

pub fn ssh(of: &[u8]) -> Vec<u8> {
    [b"SSH-2.0-", of, b"\r\n"].concat()
}

pub fn tftp(of: &[u8]) -> Vec<u8> {
    [b"\0\x01", of, b"\0", of, b"\0"].concat()
}

pub fn lines(of: &[u8]) -> Vec<u8> {
    [b"USER ", of, b"\r\nPASS ", of, b"\r\n", of, b"\r\n"].concat()
}
