//! What each service claims to be on Debian 12, and the first steps of its client.

use super::Case;

const fn case(
    service: &'static str,
    product: &'static str,
    client: &'static str,
    worked: &'static str,
) -> Case {
    Case { service, beside: "", product, client, worked }
}

/// One for every service.
pub(super) const CASES: &[Case] = &[
    case("conpot", "Siemens", "mbpoll -m tcp -p {502} -a 1 -r 1 -c 4 -1 {ip}", "[1]:"),
    case("dns", "ISC BIND", "dig -p {53} @{ip} version.bind CH TXT +short", "9."),
    case("docker_api", "Docker", "docker -H tcp://{ip}:{2375} version", "Server:"),
    case("elasticsearch", "Elasticsearch", "curl -s http://{ip}:{9200}/_cat/indices?v", "health"),
    case("ftp", "vsftpd|Pure-FTPd|ProFTPD", "curl -s ftp://{ip}:{21}/", "pub"),
    case("http", "nginx|Apache httpd", "curl -si http://{ip}:{80}/", "200 OK"),
    case("https", "nginx|Apache httpd", "curl -ski https://{ip}:{443}/", "200 OK"),
    case("imap", "Dovecot imapd", "curl -s imap://{ip}:{143}/ -u mail:mail", "INBOX"),
    case("k8s", "Kubernetes", "curl -sk https://{ip}:{6443}/version", "gitVersion"),
    case("ldap", "OpenLDAP", "ldapsearch -x -H ldap://{ip}:{389} -s base -b '' +", "namingContexts"),
    case("llmnr", "", "dig +tcp +short -p {5355} @{ip} {hostname}. A", "127.93."),
    case(
        "mongodb",
        "MongoDB",
        "python3 -c \"import pymongo;print(pymongo.MongoClient('{ip}',{27017}).list_database_names())\"",
        "admin",
    ),
    case(
        "mqtt",
        "mosquitto",
        "mosquitto_sub -h {ip} -p {1883} -t '$SYS/broker/version' -C 1 -W 5",
        "mosquitto version",
    ),
    case("mssql", "Microsoft SQL Server", "tsql -H {ip} -p {1433} -U sa -P wrong", "Login failed"),
    case("mysql", "MariaDB|MySQL", "mysql -h {ip} -P {3306} -u root -pwrong", "Access denied"),
    case("pop3", "Dovecot pop3d", "curl -s pop3://{ip}:{110}/ -u mail:mail", "1 "),
    case(
        "postgres",
        "PostgreSQL DB",
        "PGPASSWORD=postgres psql -h {ip} -p {5432} -U postgres -c '\\l'",
        "template1",
    ),
    case("rdp", "xrdp", "nmap -n -Pn -p {3389} --script rdp-enum-encryption {ip}", "RDP"),
    case("redis", "Redis key-value store", "redis-cli -h {ip} -p {6379} info server", "redis_version"),
    case("sip", "Asterisk", "sipsak -v -s sip:100@{ip}:{5060}", "200"),
    case("smb", "Samba smbd", "smbclient -N -L //{ip} -p {445}", "IPC$"),
    case("smtp", "Postfix smtpd", "swaks --server {ip}:{25} --quit-after EHLO", "250"),
    case("smtp_relay", "Postfix smtpd", "swaks --server {ip}:{25} --to a@example.org", "queued as"),
    case(
        "sniffer",
        "",
        "nmap -n -Pn -sS -p 1-20 {ip}; sleep 4; DECNET_STATE_DIR={dir}/state $DECNET events --kind probe",
        "tcp_syn",
    ),
    // A service of datagrams tells strangers little: a TCP connection to its machine proves who asks.
    Case {
        beside: ",ssh",
        ..case(
            "snmp",
            "net-snmp",
            "ssh-keyscan -p {22} {ip}; snmpget -v2c -c public {ip}:{161} 1.3.6.1.2.1.1.1.0",
            "STRING",
        )
    },
    case(
        "ssh",
        "OpenSSH",
        "sshpass -p admin ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p {22} root@{ip} id",
        "uid=0(root)",
    ),
    case(
        "telnet",
        "telnetd",
        "(sleep 1; echo root; sleep 1; echo admin; sleep 1; echo id; sleep 1; echo exit; sleep 1) | telnet {ip} {23}",
        "uid=0(root)",
    ),
    case("tftp", "", "cd {dir} && echo x > t.bin && tftp {ip} {69} -c put t.bin && echo stored", "stored"),
    case("vnc", "VNC", "nmap -n -Pn -p {5900} --script vnc-info {ip}", "VNC Authentication"),
];
