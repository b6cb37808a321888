//! No two deckies look alike on the wire, each stays what it is over a restart, and everything on one agrees
//! with its distro.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::common::forms::{NTLM_BEGIN, document, element, smb_say, string};
use crate::common::{World, tls, tool};

const SERVICES: &str = "ssh,https,smb,rdp,snmp,mongodb,mysql,postgres,ldap,docker_api,elasticsearch,k8s,redis,\
     mssql,mqtt,vnc,sip,smtp,imap,pop3";

/// One decky.
struct Target {
    ip: Ipv4Addr,
    offset: u16,
}

impl Target {
    fn connect(&self, port: u16) -> TcpStream {
        let stream = TcpStream::connect((self.ip, self.offset + port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// Says it and hears until the answer has `end`, or all.
    fn ask(&self, port: u16, bytes: &[u8], end: &[u8]) -> Vec<u8> {
        let mut stream = self.connect(port);
        stream.write_all(bytes).unwrap();
        until(&mut stream, end)
    }

    fn web(&self, path: &str, port: u16) -> Value {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = self.ask(port, request.as_bytes(), b"never");
        let body = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        let text = String::from_utf8_lossy(&answer[body..]).into_owned();
        // The body, chunked or not.
        let (from, to) = (text.find('{').unwrap(), text.rfind('}').unwrap());
        serde_json::from_str(&text[from..=to]).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    fn datagram(&self, port: u16, bytes: &[u8]) -> Vec<u8> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.send_to(bytes, (self.ip, self.offset + port)).unwrap();
        let mut buffer = vec![0; 4096];
        let got = socket.recv(&mut buffer).unwrap();
        buffer.truncate(got);
        buffer
    }

    /// Fingerprint of the certificate that comes after `first` was said and answered.
    fn certificate(&self, port: u16, first: &[u8], answer: usize) -> String {
        let mut stream = self.connect(port);
        stream.write_all(first).unwrap();
        stream.read_exact(&mut vec![0; answer]).unwrap();
        fingerprint(stream)
    }

    /// That of SQL Server, whose handshake is inside packets.
    fn mssql_certificate(&self) -> String {
        let mut stream = self.connect(1433);
        stream.write_all(include_bytes!("../../fuzz/seeds/mssql/nmap-prelogin")).unwrap();
        let mut head = [0; 8];
        stream.read_exact(&mut head).unwrap();
        stream.read_exact(&mut vec![0; usize::from(head[3]) - 8]).unwrap();
        fingerprint(Packets { stream, left: 0 })
    }

    /// GUID and times of the SMB server, and its challenge to a login.
    fn smb(&self) -> (String, String, String) {
        let mut stream = self.connect(445);
        let negotiate = [b"\x24\0\x01\0\x01\0\0\0\0\0\0\0", &[9; 16][..], &[0; 8], b"\x02\x02"].concat();
        let hello = smb_say(&mut stream, 0, 0, 0, 0, &negotiate).unwrap();
        let length = u16::try_from(NTLM_BEGIN.len()).unwrap().to_le_bytes();
        let setup = [b"\x19\0\0\x01\0\0\0\0\0\0\0\0\x58\0", &length[..], &[0; 8], NTLM_BEGIN].concat();
        let answer = smb_say(&mut stream, 1, 1, 0, 0, &setup).unwrap();
        let at = answer.windows(12).position(|w| w == b"NTLMSSP\0\x02\0\0\0").unwrap();
        (hex::encode(&hello[72..88]), hex::encode(&hello[112..120]), hex::encode(&answer[at + 24..at + 32]))
    }

    fn mongodb(&self) -> Vec<u8> {
        let hello = document(&[element(16, "hello", &1i32.to_le_bytes()), string("$db", "admin")]);
        let length = i32::try_from(hello.len() + 21).unwrap();
        let head: Vec<u8> = [length, 1, 0, 2013, 0].iter().flat_map(|n| n.to_le_bytes()).collect();
        let mut stream = self.connect(27_017);
        stream.write_all(&[&head[..], &[0], &hello].concat()).unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut rest = vec![0; u32::from_le_bytes(length) as usize - 4];
        stream.read_exact(&mut rest).unwrap();
        rest
    }

    fn redis(&self, name: &str) -> String {
        let info = self.ask(6379, b"INFO server\r\n", b"io_threads_active");
        let info = String::from_utf8_lossy(&info).into_owned();
        let value = info.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        value.unwrap_or_else(|| panic!("{name}: {info}")).to_owned()
    }

    /// A variable of the agent: the answer's last bytes, after its name.
    fn snmp(&self, last: u8, zero: u8) -> Vec<u8> {
        let name = [0x2b, 6, 1, 2, 1, 1, last, zero];
        let mut packet =
            b"\x30\x29\x02\x01\0\x04\x06public\xa0\x1c\x02\x04\x01\x02\x03\x04\x02\x01\0\x02\x01\0".to_vec();
        packet.extend([b"\x30\x0e\x30\x0c\x06\x08", &name[..], b"\x05\0"].concat());
        let answer = self.datagram(161, &packet);
        let at = answer.windows(8).position(|w| w == name).unwrap() + 8;
        answer[at..].to_vec()
    }

    /// What makes this machine this machine.
    fn identity(&self) -> BTreeMap<&'static str, String> {
        let mut all = BTreeMap::new();
        let port = (self.offset + 22).to_string();
        let mut scan = tool("ssh-keyscan");
        scan.args(["-T", "20", "-t", "ed25519,ecdsa", "-p", &port, &self.ip.to_string()]);
        let keys = String::from_utf8(scan.output().unwrap().stdout).unwrap();
        for (name, kind) in [("ssh ed25519", "ssh-ed25519 "), ("ssh ecdsa", "ecdsa-sha2-nistp256 ")] {
            let key = keys.lines().find_map(|line| line.split_once(kind));
            all.insert(name, key.unwrap_or_else(|| panic!("{keys}")).1.to_owned());
        }
        all.insert("https certificate", self.certificate(443, b"", 0));
        all.insert("docker certificate", self.certificate(2376, b"", 0));
        all.insert("k8s certificate", self.certificate(6443, b"", 0));
        all.insert("ldap certificate", self.certificate(636, b"", 0));
        all.insert("imap certificate", self.certificate(993, b"", 0));
        all.insert("pop3 certificate", self.certificate(995, b"", 0));
        all.insert("postgres certificate", self.certificate(5432, b"\0\0\0\x08\x04\xd2\x16\x2f", 1));
        let tls = b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x01\0\0\0";
        all.insert("rdp certificate", self.certificate(3389, tls, 19));
        all.insert("mssql certificate", self.mssql_certificate());
        all.insert("smb guid", self.smb().0);
        let v3 = include_bytes!("../../fuzz/seeds/snmp/v3");
        let answer = self.datagram(161, v3);
        let at = answer.windows(3).position(|w| w == [0x80, 0, 0x1f]).unwrap();
        all.insert("snmp engine", hex::encode(&answer[at..at + usize::from(answer[at - 1])]));
        all.insert("snmp name", hex::encode(self.snmp(5, 0)));
        all.insert("redis run id", self.redis("run_id"));
        let docker = self.web("/info", 2375);
        all.insert("docker id", docker["ID"].to_string());
        all.insert("docker name", docker["Name"].to_string());
        let elastic = self.web("/", 9200);
        all.insert("elasticsearch node", elastic["name"].to_string());
        all.insert("elasticsearch cluster", elastic["cluster_uuid"].to_string());
        let hello = self.mongodb();
        let at = hello.windows(11).position(|w| w == b"\x07processId\0").unwrap() + 11;
        all.insert("mongodb process", hex::encode(&hello[at..at + 12]));
        let banner = String::from_utf8_lossy(&self.ask(25, b"", b"\n")).into_owned();
        all.insert("smtp name", banner.split(' ').nth(1).unwrap().to_owned());
        all
    }

    /// What is another thing on another machine at any time, and changes.
    fn moment(&self) -> BTreeMap<&'static str, String> {
        // Asterisk's is the same for one peer within one second.
        let answer = self.ask(5060, sip("REGISTER").as_bytes(), b"\r\n\r\n");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let nonce = answer.split_once("nonce=\"").unwrap_or_else(|| panic!("{answer}")).1;
        [
            ("redis uptime", self.redis("uptime_in_seconds")),
            ("redis process", self.redis("process_id")),
            ("snmp uptime", hex::encode(self.snmp(3, 0))),
            ("sip nonce", nonce.split('"').next().unwrap().to_owned()),
        ]
        .into()
    }

    /// What nobody may see twice.
    fn fresh(&self) -> BTreeMap<&'static str, String> {
        let mut all = BTreeMap::new();
        all.insert("smb challenge", self.smb().2);
        let mut vnc = self.connect(5900);
        vnc.read_exact(&mut [0; 12]).unwrap();
        vnc.write_all(b"RFB 003.008\n").unwrap();
        let mut count = [0];
        vnc.read_exact(&mut count).unwrap();
        vnc.read_exact(&mut vec![0; count[0].into()]).unwrap();
        vnc.write_all(&[2]).unwrap();
        let mut challenge = [0; 16];
        vnc.read_exact(&mut challenge).unwrap();
        all.insert("vnc challenge", hex::encode(challenge));
        let mut mysql = self.connect(3306);
        let mut length = [0; 4];
        mysql.read_exact(&mut length).unwrap();
        let mut greeting = vec![0; length[0].into()];
        mysql.read_exact(&mut greeting).unwrap();
        let at = greeting.iter().position(|b| *b == 0).unwrap() + 5;
        all.insert("mysql challenge", hex::encode(&greeting[at..at + 8]));
        all
    }
}

/// The stream of SQL Server's handshake.
struct Packets {
    stream: TcpStream,
    left: usize,
}

impl Read for Packets {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let mut head = [0; 8];
            self.stream.read_exact(&mut head)?;
            self.left = usize::from(u16::from_be_bytes([head[2], head[3]])) - 8;
        }
        let most = self.left.min(buffer.len());
        let got = self.stream.read(&mut buffer[..most])?;
        self.left -= got;
        Ok(got)
    }
}

impl Write for Packets {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = u16::try_from(bytes.len() + 8).unwrap().to_be_bytes();
        self.stream.write_all(&[&[0x12, 1, length[0], length[1], 0, 0, 0, 0], bytes].concat())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn fingerprint(stream: impl Read + Write) -> String {
    let mut tls = tls::connect(stream);
    while tls.conn.is_handshaking() && tls.conn.peer_certificates().is_none() {
        tls.conn.complete_io(&mut tls.sock).unwrap();
    }
    hex::encode(Sha256::digest(&tls.conn.peer_certificates().unwrap()[0]))
}

fn sip(method: &str) -> String {
    format!(
        "{method} sip:x SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5061;branch=z9hG4bK1\r\nTo: <sip:1@x>\r\n\
         From: <sip:1@x>;tag=1\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

fn until(stream: &mut impl Read, end: &[u8]) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 8192]);
    while !all.windows(end.len()).any(|w| w == end) {
        match stream.read(&mut buffer) {
            Ok(got @ 1..) => all.extend_from_slice(&buffer[..got]),
            _ => break,
        }
    }
    all
}

fn differ(what: &str, all: &[BTreeMap<&'static str, String>]) {
    let mut same = Vec::new();
    for (n, one) in all.iter().enumerate() {
        for other in &all[n + 1..] {
            same.extend(one.iter().filter(|(name, value)| other[*name] == **value));
        }
    }
    assert!(same.is_empty(), "{what}: {same:#?}");
}

#[test]
fn no_two_deckies_are_the_same_machine() {
    let world = World::new();
    let decky = |name: &str, last: u8| {
        format!("[{name}]\nip = {}\ndistro = debian\nservices = {SERVICES}\n", world.ip(last))
    };
    let file = world.fleet("f.ini", &[decky("a", 10), decky("b", 20)].concat());
    world.run(&["deploy", file.to_str().unwrap()]).ok();
    let both = [10, 20].map(|last| Target { ip: world.ip(last), offset: world.offset });
    let before = both.each_ref().map(Target::identity);
    differ("of two machines", &before);
    differ("of two machines", &both.each_ref().map(Target::moment));
    let fresh: Vec<_> = [&both[0], &both[0], &both[1]].map(Target::fresh).into();
    differ("of connections", &fresh);
    // A name of their own is what they say everywhere.
    let listed = world.json(0, &["list"]);
    for (target, identity) in both.iter().zip(&before) {
        let deckies = listed["deckies"].as_array().unwrap();
        let own = deckies.iter().find(|d| d["ip"] == target.ip.to_string()).unwrap();
        let hostname = own["hostname"].as_str().unwrap();
        let short = hostname.split('.').next().unwrap();
        for name in ["docker name", "elasticsearch node", "smtp name"] {
            assert!(identity[name].contains(short), "{name} is {}, not {hostname}", identity[name]);
        }
        assert!(identity["snmp name"].contains(&hex::encode(short)), "{hostname}: {identity:#?}");
    }
    // Neither Samba nor today's Windows tells when it began.
    let boots = both.each_ref().map(|target| target.smb().1);
    assert!(boots[0] != boots[1] || boots[0] == "0000000000000000", "{boots:?}");
    world.run(&["engine", "restart"]).ok();
    let after = both.each_ref().map(Target::identity);
    for (before, after) in before.iter().zip(&after) {
        for (name, value) in before {
            assert_eq!(&after[name], value, "{name} changed with a restart of the engine");
        }
    }
    assert_eq!(boots, both.each_ref().map(|target| target.smb().1));
}

/// What the services of a distro's machine say of themselves, by what they are asked below.
const VERSIONS: &[(&str, [&str; 14])] = &[
    (
        "debian",
        [
            "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u",
            "Server: Apache/2.4.71 (Debian)|Server: nginx/1.22.1",
            "redis_version:7.0.15\r\n",
            "os:Linux 6.1.0-50-amd64 x86_64\r\n",
            "5.5.5-10.11.19-MariaDB-0+deb12u1\0",
            "15.20 (Debian 15.20-0+deb12u1)\0",
            "\"Version\":\"20.10.24+dfsg1\"",
            "\"OperatingSystem\":\"Debian GNU/Linux 12 (bookworm)\"",
            " ESMTP Postfix (Debian/GNU)\r\n",
            "Dovecot (Debian) ready.",
            "(vsFTPd 3.0.3)|ProFTPD|Pure-FTPd",
            "Server: Asterisk PBX 20.15.2\r\n",
            "mosquitto version 2.0.11",
            " 6.1.0-50-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02) x86_64",
        ],
    ),
    (
        "ubuntu22",
        [
            "SSH-2.0-OpenSSH_8.9p1 Ubuntu-3ubuntu0.",
            "Server: Apache/2.4.52 (Ubuntu)|Server: nginx/1.18.0 (Ubuntu)",
            "redis_version:6.0.16\r\n",
            "os:Linux 5.15.0-164-generic x86_64\r\n",
            "8.0.45-0ubuntu0.22.04.1\0",
            "14.23 (Ubuntu 14.23-0ubuntu0.22.04.1)\0",
            "\"Version\":\"28.2.2\"",
            "\"OperatingSystem\":\"Ubuntu 22.04.5 LTS\"",
            " ESMTP Postfix (Ubuntu)\r\n",
            "Dovecot (Ubuntu) ready.",
            "(vsFTPd 3.0.5)|ProFTPD|Pure-FTPd",
            "Server: Asterisk PBX 18.10.0~dfsg",
            "mosquitto version 2.0.11",
            " 5.15.0-164-generic #174-Ubuntu SMP Fri Nov 14 20:25:16 UTC 2025 x86_64",
        ],
    ),
    (
        "rocky9",
        [
            "SSH-2.0-OpenSSH_8.7\r\n",
            "Server: Apache/2.4.62 (Rocky Linux)|Server: nginx/1.20.1",
            "redis_version:6.2.20\r\n",
            "os:Linux 5.14.0-570.58.1.el9_6.x86_64 x86_64\r\n",
            "\n8.0.44\0",
            "\x0013.23\0",
            "\"Version\":\"29.4.1\"",
            "\"OperatingSystem\":\"Rocky Linux 9.6 (Blue Onyx)\"",
            " ESMTP Postfix\r\n",
            " Dovecot ready.",
            "(vsFTPd 3.0.5)|ProFTPD|Pure-FTPd",
            "Server: Asterisk PBX 18.26.4\r\n",
            "mosquitto version 2.0.",
            " 5.14.0-570.58.1.el9_6.x86_64 #1 SMP PREEMPT_DYNAMIC Wed Oct 29 06:24:11 UTC 2025 x86_64",
        ],
    ),
];

#[test]
fn versions_are_those_of_the_distro() {
    let world = World::new();
    let mut body = String::new();
    for (last, (distro, _)) in (10..).zip(VERSIONS) {
        let ip = world.ip(last);
        body.push_str(&format!(
            "[{distro}]\nip = {ip}\ndistro = {distro}\nnmap_os = linux\nservices = {SERVICES},http,ftp\n\
             [{distro}.postgres]\nauth = trust\n"
        ));
    }
    world.run(&["deploy", world.fleet("f.ini", &body).to_str().unwrap()]).ok();
    let options = sip("OPTIONS");
    let startup = b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0";
    let info = b"INFO server\r\n";
    let version = b"GET /version HTTP/1.0\r\n\r\n";
    let docker = b"GET /info HTTP/1.0\r\n\r\n";
    let subscribe = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a\x82\x18\0\x01\0\x13$SYS/broker/version\0\xe0\0";
    let mut wrong = Vec::new();
    for (last, (distro, expected)) in (10..).zip(VERSIONS) {
        let target = Target { ip: world.ip(last), offset: world.offset };
        let said = [
            target.ask(22, b"", b"\n"),
            target.ask(80, b"HEAD / HTTP/1.0\r\n\r\n", b"\r\n\r\n"),
            target.ask(6379, info, b"io_threads_active"),
            target.ask(6379, info, b"io_threads_active"),
            target.ask(3306, b"", b"password"),
            target.ask(5432, startup, b"TimeZone"),
            target.ask(2375, version, b"never"),
            target.ask(2375, docker, b"never"),
            target.ask(25, b"", b"\n"),
            target.ask(143, b"", b"\n"),
            target.ask(21, b"", b"\n"),
            target.ask(5060, options.as_bytes(), b"\r\n\r\n"),
            target.ask(1883, subscribe, b"never"),
            target.snmp(1, 0),
        ];
        for (said, expected) in said.iter().zip(expected) {
            let said = String::from_utf8_lossy(said).into_owned();
            if !expected.split('|').any(|one| said.contains(one)) {
                wrong.push(format!("{distro} does not say {expected:?} but {said:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
