//! The one table of what serves each service, by family of distributions: its processes, its sockets, its
//! unit, its account. `ps`, `ss`, `systemctl`, `/etc/passwd`, the package lists and SNMP all show it.

use super::distro::Family;

/// A program that is there for one or more services.
#[derive(Debug)]
pub struct Daemon {
    /// Services it runs for; it runs once, whichever of them there are.
    pub slugs: &'static [&'static str],
    /// Which of several programs, as [`crate::decoy::software::Software`] says; empty: whatever that says.
    pub program: &'static str,
    /// Which part of its services it is, where several programs run side by side; empty: the first.
    pub part: &'static str,
    /// Where it is so; nowhere named: where no row before says something else.
    on: &'static [Family],
    /// Its unit or script; empty: none of its own.
    pub unit: &'static str,
    /// What its unit says of it.
    pub about: &'static str,
    /// The package that it is of.
    pub package: &'static str,
    /// Its processes, the parent first; none: `systemd` listens and starts it for each client. `{host}`,
    /// `{pg}` and `{data}` stand for what belongs to the machine.
    pub runs: &'static [Run],
    /// The ports that it has of its services'; none named: all of them. Zero is none.
    pub ports: &'static [u16],
    /// The account that its package adds.
    pub account: Option<Account>,
}

/// One process: user, command line (after a `*`: one for each processor), virtual and resident size in KiB,
/// seconds of processor time a day.
pub type Run = (&'static str, &'static str, u32, u32, u32);

/// Name, number where the family gives a fixed one, home.
pub type Account = (&'static str, Option<u32>, &'static str);

impl Daemon {
    /// Whether it is what runs in this family.
    pub(super) fn fits(&self, family: Family) -> bool {
        self.on.is_empty() || self.on.contains(&family)
    }
}

const ANY: &[Family] = &[];
const DEBIAN: &[Family] = &[Family::Debian];
const RED_HAT: &[Family] = &[Family::RedHat];
const ALPINE: &[Family] = &[Family::Alpine];
const ARCH: &[Family] = &[Family::Arch];

/// A row, but for what few have.
const fn row(
    slugs: &'static [&'static str],
    on: &'static [Family],
    unit: [&'static str; 3],
    runs: &'static [Run],
) -> Daemon {
    let [unit, about, package] = unit;
    Daemon { slugs, program: "", on, unit, about, package, runs, part: "", ports: &[], account: None }
}

impl Daemon {
    const fn only(self, program: &'static str) -> Self {
        Self { program, ..self }
    }

    const fn beside(self, part: &'static str) -> Self {
        Self { part, ..self }
    }

    const fn at(self, ports: &'static [u16]) -> Self {
        Self { ports, ..self }
    }

    const fn user(self, name: &'static str, home: &'static str) -> Self {
        Self { account: Some((name, None, home)), ..self }
    }

    const fn fixed(self, name: &'static str, number: u32, home: &'static str) -> Self {
        Self { account: Some((name, Some(number), home)), ..self }
    }
}

const WEB: &[&str] = &["http", "https"];
const MTA: &[&str] = &["smtp", "smtp_relay"];
const BOXES: &[&str] = &["imap", "pop3"];
const LINKS: &[&str] = &["llmnr"];

const NGINX: &str = "nginx: master process /usr/sbin/nginx -g daemon on; master_process on;";
const NGINX_WORKER: &str = "*nginx: worker process";
const APACHE: &str = "/usr/sbin/apache2 -k start";
const HTTPD: &str = "/usr/sbin/httpd -DFOREGROUND";

/// All of them. Of the rows of one service and program the first that fits the family is taken.
#[rustfmt::skip]
pub(super) static DAEMONS: &[Daemon] = &[
    row(&["ssh"], ALPINE, ["sshd", "OpenSSH server daemon", "openssh-server"],
        &[("root", "sshd: /usr/sbin/sshd [listener] 0 of 10-100 startups", 6_640, 3_968, 2)]),
    row(&["ssh"], DEBIAN, ["ssh", "OpenBSD Secure Shell server", "openssh-server"],
        &[("root", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", 15_436, 9_376, 3)]),
    row(&["ssh"], ANY, ["sshd", "OpenSSH server daemon", "openssh-server"],
        &[("root", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", 15_436, 9_376, 3)]),
    row(&["telnet"], ALPINE, ["telnetd", "telnetd", "busybox-extras"],
        &[("root", "/usr/sbin/telnetd -F", 1_628, 764, 0)]),
    row(&["telnet"], DEBIAN, ["inetd", "Internet superserver", "inetutils-telnetd"],
        &[("root", "/usr/sbin/inetd", 2_960, 1_840, 0)]).user("telnetd", "/nonexistent"),
    row(&["telnet"], ANY, ["telnet", "Telnet Server Activation Socket", "telnet-server"], &[]),
    row(&["ftp"], ANY, ["pure-ftpd", "Pure-FTPd FTP server", "pure-ftpd"],
        &[("root", "pure-ftpd (SERVER)", 4_884, 2_140, 0)]).only("pure-ftpd").user("ftp", "/srv/ftp"),
    row(&["ftp"], ANY, ["proftpd", "ProFTPD FTP Server", "proftpd-core"],
        &[("nobody", "proftpd: (accepting connections)", 9_772, 3_928, 0)]).only("proftpd").user("ftp", "/srv/ftp"),
    row(&["ftp"], RED_HAT, ["vsftpd", "Vsftpd ftp daemon", "vsftpd"],
        &[("root", "/usr/sbin/vsftpd /etc/vsftpd/vsftpd.conf", 9_236, 3_184, 0)]),
    row(&["ftp"], ANY, ["vsftpd", "vsftpd FTP server", "vsftpd"],
        &[("root", "/usr/sbin/vsftpd /etc/vsftpd.conf", 9_236, 3_184, 0)]).user("ftp", "/srv/ftp"),

    row(WEB, DEBIAN, ["apache2", "The Apache HTTP Server", "apache2"],
        &[("root", APACHE, 10_384, 4_752, 0), ("www-data", "*/usr/sbin/apache2 -k start", 11_100, 3_640, 6)]).only("apache"),
    row(WEB, ARCH, ["httpd", "Apache Web Server", "apache"],
        &[("root", HTTPD, 10_384, 4_752, 0), ("http", "*/usr/sbin/httpd -DFOREGROUND", 11_100, 3_640, 6)]).only("apache"),
    row(WEB, ALPINE, ["apache2", "Apache HTTP Server", "apache2"],
        &[("root", "/usr/sbin/httpd -k start", 10_384, 4_752, 0), ("apache", "*/usr/sbin/httpd -k start", 11_100, 3_640, 6)])
        .only("apache").fixed("apache", 100, "/var/www"),
    row(WEB, ANY, ["httpd", "The Apache HTTP Server", "httpd"],
        &[("root", HTTPD, 10_384, 4_752, 0), ("apache", "*/usr/sbin/httpd -DFOREGROUND", 11_100, 3_640, 6)])
        .only("apache").fixed("apache", 48, "/usr/share/httpd"),
    row(WEB, ANY, ["tomcat", "Apache Tomcat Web Application Server", "tomcat9"],
        &[("tomcat", "/usr/bin/java -Djava.util.logging.config.file=/var/lib/tomcat/conf/logging.properties -classpath /usr/share/tomcat/bin/bootstrap.jar org.apache.catalina.startup.Bootstrap start",
           3_586_212, 198_440, 90)]).only("tomcat").user("tomcat", "/var/lib/tomcat"),
    row(WEB, ANY, ["jenkins", "Jenkins Continuous Integration Server", "jenkins"],
        &[("jenkins", "/usr/bin/java -Djava.awt.headless=true -jar /usr/share/java/jenkins.war --webroot=/var/cache/jenkins/war --httpPort=80",
           3_912_084, 612_300, 240)]).only("jetty").user("jenkins", "/var/lib/jenkins"),
    row(WEB, DEBIAN, ["nginx", "A high performance web server and a reverse proxy server", "nginx"],
        &[("root", NGINX, 10_384, 1_752, 0), ("www-data", NGINX_WORKER, 11_100, 3_640, 6)]),
    row(WEB, ARCH, ["nginx", "nginx web server", "nginx"],
        &[("root", NGINX, 10_384, 1_752, 0), ("http", NGINX_WORKER, 11_100, 3_640, 6)]),
    row(WEB, ANY, ["nginx", "The nginx HTTP and reverse proxy server", "nginx"],
        &[("root", NGINX, 10_384, 1_752, 0), ("nginx", NGINX_WORKER, 11_100, 3_640, 6)]).user("nginx", "/var/lib/nginx"),

    row(&["mysql"], DEBIAN, ["mysql", "MySQL Community Server", "mysql-server"],
        &[("mysql", "/usr/sbin/mysqld", 1_348_552, 412_944, 260)]).only("mysqld").user("mysql", "/var/lib/mysql"),
    row(&["mysql"], ANY, ["mysqld", "MySQL 8.0 database server", "mysql-server"],
        &[("mysql", "/usr/libexec/mysqld --basedir=/usr", 1_348_552, 412_944, 260)]).only("mysqld").fixed("mysql", 27, "/var/lib/mysql"),
    row(&["mysql"], RED_HAT, ["mariadb", "MariaDB database server", "mariadb-server"],
        &[("mysql", "/usr/libexec/mariadbd --basedir=/usr", 1_348_552, 212_944, 260)]).fixed("mysql", 27, "/var/lib/mysql"),
    row(&["mysql"], ANY, ["mariadb", "MariaDB database server", "mariadb-server"],
        &[("mysql", "/usr/sbin/mariadbd", 1_348_552, 212_944, 260)]).user("mysql", "/var/lib/mysql"),
    row(&["redis"], ANY, ["valkey", "Advanced key-value store", "valkey"],
        &[("valkey", "/usr/bin/valkey-server 0.0.0.0:6379", 66_512, 14_820, 130)]).only("valkey").user("valkey", "/var/lib/valkey"),
    row(&["redis"], DEBIAN, ["redis-server", "Advanced key-value store", "redis-server"],
        &[("redis", "/usr/bin/redis-server 0.0.0.0:6379", 66_512, 14_820, 130)]).user("redis", "/var/lib/redis"),
    row(&["redis"], ANY, ["redis", "Redis persistent key-value database", "redis"],
        &[("redis", "/usr/bin/redis-server 0.0.0.0:6379", 66_512, 14_820, 130)]).user("redis", "/var/lib/redis"),
    row(&["postgres"], DEBIAN, ["postgresql", "PostgreSQL RDBMS", "postgresql"], &[
        ("postgres", "/usr/lib/postgresql/{pg}/bin/postgres -D {data} -c config_file=/etc/postgresql/{pg}/main/postgresql.conf", 217_328, 30_464, 8),
        ("postgres", "postgres: {pg}/main: checkpointer ", 217_460, 8_320, 1),
        ("postgres", "postgres: {pg}/main: background writer ", 217_484, 6_096, 2),
        ("postgres", "postgres: {pg}/main: walwriter ", 217_328, 10_512, 2),
        ("postgres", "postgres: {pg}/main: autovacuum launcher ", 218_936, 8_944, 2),
        ("postgres", "postgres: {pg}/main: logical replication launcher ", 218_912, 6_896, 0),
    ]).user("postgres", "/var/lib/postgresql"),
    row(&["postgres"], ANY, ["postgresql", "PostgreSQL database server", "postgresql-server"], &[
        ("postgres", "/usr/bin/postgres -D {data}", 217_328, 30_464, 8),
        ("postgres", "postgres: logger ", 217_460, 8_320, 1),
        ("postgres", "postgres: checkpointer ", 217_460, 8_320, 1),
        ("postgres", "postgres: background writer ", 217_484, 6_096, 2),
        ("postgres", "postgres: walwriter ", 217_328, 10_512, 2),
        ("postgres", "postgres: autovacuum launcher ", 218_936, 8_944, 2),
    ]).user("postgres", "/var/lib/pgsql"),
    row(&["mongodb"], DEBIAN, ["mongod", "MongoDB Database Server", "mongodb-org-server"],
        &[("mongodb", "/usr/bin/mongod --config /etc/mongod.conf", 1_532_180, 102_884, 420)]).user("mongodb", "/home/mongodb"),
    row(&["mongodb"], ANY, ["mongod", "MongoDB Database Server", "mongodb-org-server"],
        &[("mongod", "/usr/bin/mongod -f /etc/mongod.conf", 1_532_180, 102_884, 420)]).user("mongod", "/var/lib/mongo"),
    row(&["mssql"], ANY, ["mssql-server", "Microsoft SQL Server Database Engine", "mssql-server"], &[
        ("mssql", "/opt/mssql/bin/sqlservr", 92_320, 28_104, 1),
        ("mssql", "/opt/mssql/bin/sqlservr", 9_218_428, 812_904, 900),
    ]).user("mssql", "/var/opt/mssql"),
    row(&["elasticsearch"], ANY, ["elasticsearch", "Elasticsearch", "elasticsearch"], &[
        ("elasticsearch", "/usr/share/elasticsearch/jdk/bin/java -Xshare:auto -Des.networkaddress.cache.ttl=60 -Des.path.home=/usr/share/elasticsearch -Des.path.conf=/etc/elasticsearch org.elasticsearch.bootstrap.Elasticsearch -p /var/run/elasticsearch/elasticsearch.pid --quiet",
         4_812_232, 1_284_112, 1_100),
        ("elasticsearch", "/usr/share/elasticsearch/modules/x-pack-ml/platform/linux-x86_64/bin/controller", 108_412, 7_912, 0),
    ]).user("elasticsearch", "/nonexistent"),

    row(MTA, DEBIAN, ["exim4", "LSB: exim Mail Transport Agent", "exim4-daemon-light"],
        &[("Debian-exim", "/usr/sbin/exim4 -bd -q30m", 22_592, 7_340, 0)]).only("exim").user("Debian-exim", "/var/spool/exim4"),
    row(MTA, ANY, ["exim", "Exim Mail Transport Agent", "exim"],
        &[("exim", "/usr/sbin/exim -bd -q1h", 22_592, 7_340, 0)]).only("exim").user("exim", "/var/spool/exim"),
    row(MTA, ANY, ["sendmail", "Sendmail Mail Transport Agent", "sendmail"],
        &[("root", "sendmail: MTA: accepting connections", 21_004, 4_188, 0)]).only("sendmail").user("smmta", "/var/lib/sendmail"),
    row(MTA, DEBIAN, ["postfix", "Postfix Mail Transport Agent", "postfix"], &[
        ("root", "/usr/lib/postfix/sbin/master -w", 42_852, 4_664, 1),
        ("postfix", "pickup -l -t unix -u -c", 43_328, 7_252, 0),
        ("postfix", "qmgr -l -t unix -u", 43_376, 7_376, 0),
    ]).user("postfix", "/var/spool/postfix"),
    row(MTA, ANY, ["postfix", "Postfix Mail Transport Agent", "postfix"], &[
        ("root", "/usr/libexec/postfix/master -w", 42_852, 4_664, 1),
        ("postfix", "pickup -l -t unix -u", 43_328, 7_252, 0),
        ("postfix", "qmgr -l -t unix -u", 43_376, 7_376, 0),
    ]).fixed("postfix", 89, "/var/spool/postfix"),
    row(BOXES, DEBIAN, ["dovecot", "Dovecot IMAP/POP3 email server", "dovecot-core"], &[
        ("root", "/usr/sbin/dovecot -F", 9_244, 5_760, 1),
        ("dovecot", "dovecot/anvil", 4_712, 2_944, 0),
        ("root", "dovecot/log", 4_844, 3_072, 0),
        ("root", "dovecot/config", 6_412, 4_608, 0),
    ]).user("dovecot", "/usr/lib/dovecot"),
    row(BOXES, ANY, ["dovecot", "Dovecot IMAP/POP3 email server", "dovecot"], &[
        ("root", "/usr/sbin/dovecot -F", 9_244, 5_760, 1),
        ("dovecot", "dovecot/anvil", 4_712, 2_944, 0),
        ("root", "dovecot/log", 4_844, 3_072, 0),
        ("root", "dovecot/config", 6_412, 4_608, 0),
    ]).fixed("dovecot", 97, "/usr/libexec/dovecot"),

    row(&["smb"], DEBIAN, ["smbd", "Samba SMB Daemon", "samba"], &[
        ("root", "/usr/sbin/smbd --foreground --no-process-group", 83_964, 23_168, 2),
        ("root", "/usr/sbin/smbd --foreground --no-process-group", 81_488, 9_340, 0),
        ("root", "/usr/sbin/smbd --foreground --no-process-group", 81_496, 7_168, 0),
    ]),
    row(&["smb"], ALPINE, ["samba", "Samba", "samba-server"],
        &[("root", "/usr/sbin/smbd -D", 61_964, 19_168, 2), ("root", "/usr/sbin/smbd -D", 60_488, 8_340, 0)]),
    row(&["smb"], ANY, ["smb", "Samba SMB Daemon", "samba"], &[
        ("root", "/usr/sbin/smbd --foreground --no-process-group", 83_964, 23_168, 2),
        ("root", "/usr/sbin/smbd --foreground --no-process-group", 81_488, 9_340, 0),
        ("root", "/usr/sbin/smbd --foreground --no-process-group", 81_496, 7_168, 0),
    ]),
    row(&["ldap"], DEBIAN, ["slapd", "LSB: OpenLDAP standalone server (Lightweight Directory Access Protocol)", "slapd"],
        &[("openldap", "/usr/sbin/slapd -h ldap:/// ldaps:/// ldapi:/// -g openldap -u openldap -F /etc/ldap/slapd.d", 1_167_652, 8_196, 1)])
        .user("openldap", "/var/lib/ldap"),
    row(&["ldap"], ANY, ["slapd", "OpenLDAP Server Daemon", "openldap-servers"],
        &[("ldap", "/usr/sbin/slapd -u ldap -h ldap:/// ldaps:/// ldapi:///", 1_167_652, 8_196, 1)]).fixed("ldap", 55, "/var/lib/ldap"),
    row(&["dns"], DEBIAN, ["named", "BIND Domain Name Server", "bind9"],
        &[("bind", "/usr/sbin/named -f -u bind", 245_164, 42_908, 12)]).user("bind", "/var/cache/bind"),
    row(&["dns"], ANY, ["named", "Berkeley Internet Name Domain (DNS)", "bind"],
        &[("named", "/usr/sbin/named -u named -c /etc/named.conf", 245_164, 42_908, 12)]).fixed("named", 25, "/var/named"),
    row(&["snmp"], DEBIAN, ["snmpd", "Simple Network Management Protocol (SNMP) Daemon.", "snmpd"],
        &[("Debian-snmp", "/usr/sbin/snmpd -LOw -u Debian-snmp -g Debian-snmp -I -smux mteTrigger mteTriggerConf -f", 27_452, 12_888, 30)])
        .user("Debian-snmp", "/var/lib/snmp"),
    row(&["snmp"], ALPINE, ["snmpd", "Net-SNMP daemon", "net-snmp"],
        &[("root", "/usr/sbin/snmpd -Lsd -Lf /dev/null -p /run/snmpd.pid", 17_452, 9_888, 30)]),
    row(&["snmp"], ANY, ["snmpd", "Simple Network Management Protocol (SNMP) Daemon.", "net-snmp"],
        &[("root", "/usr/sbin/snmpd -LS0-6d -f", 27_452, 12_888, 30)]),
    row(&["sip"], ANY, ["asterisk", "Asterisk PBX", "asterisk"],
        &[("asterisk", "/usr/sbin/asterisk -g -f -p -U asterisk", 1_784_012, 72_912, 310)]).user("asterisk", "/var/lib/asterisk"),
    row(&["mqtt"], ANY, ["mosquitto", "Mosquitto MQTT Broker", "mosquitto"],
        &[("mosquitto", "/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf", 18_204, 8_532, 20)]).user("mosquitto", "/var/lib/mosquitto"),
    row(&["tftp"], DEBIAN, ["tftpd-hpa", "LSB: HPA's tftp server", "tftpd-hpa"],
        &[("root", "/usr/sbin/in.tftpd --listen --user tftp --address :69 --secure /srv/tftp", 2_860, 176, 0)]).user("tftp", "/srv/tftp"),
    row(&["tftp"], RED_HAT, ["tftp", "Tftp Server Activation Socket", "tftp-server"], &[]),
    row(&["tftp"], ANY, ["in.tftpd", "hpa's original TFTP daemon", "tftp-hpa"],
        &[("root", "/usr/sbin/in.tftpd -l -s /var/tftpboot", 2_860, 176, 0)]),
    row(LINKS, ANY, ["avahi-daemon", "Avahi mDNS/DNS-SD Stack", "avahi-daemon"], &[
        ("avahi", "avahi-daemon: running [{host}.local]", 8_288, 3_968, 4),
        ("avahi", "avahi-daemon: chroot helper", 8_104, 360, 0),
    ]).at(&[5353]).user("avahi", "/run/avahi-daemon"),
    row(LINKS, ALPINE, ["llmnrd", "LLMNR responder", "llmnrd"], &[("root", "/usr/sbin/llmnrd -6", 1_860, 844, 1)])
        .at(&[5355]).beside("resolver"),
    row(LINKS, DEBIAN, ["systemd-resolved", "Network Name Resolution", "systemd-resolved"],
        &[("systemd-resolve", "/lib/systemd/systemd-resolved", 21_300, 12_628, 6)]).at(&[5355]).beside("resolver").user("systemd-resolve", "/"),
    row(LINKS, ANY, ["systemd-resolved", "Network Name Resolution", "systemd"],
        &[("systemd-resolve", "/usr/lib/systemd/systemd-resolved", 21_300, 12_628, 6)]).at(&[5355]).beside("resolver").user("systemd-resolve", "/"),

    row(&["rdp"], ANY, ["xrdp", "xrdp daemon", "xrdp"],
        &[("xrdp", "/usr/sbin/xrdp --nodaemon", 16_792, 4_212, 1)]).user("xrdp", "/run/xrdp"),
    row(&["rdp"], ANY, ["xrdp-sesman", "xrdp session manager", "xrdp"],
        &[("root", "/usr/sbin/xrdp-sesman --nodaemon", 14_204, 3_180, 0)]).at(&[0]).beside("sessions"),
    row(&["vnc"], ANY, ["x11vnc", "VNC server for the display", "x11vnc"],
        &[("root", "/usr/bin/x11vnc -display :0 -auth guess -forever -loop -noxdamage -repeat -rfbauth /etc/x11vnc.pass -rfbport 5900 -shared", 98_312, 16_404, 40)])
        .only("x11vnc"),
    row(&["vnc"], ANY, ["vncserver-x11-serviced", "VNC Server in Service Mode daemon", "realvnc-vnc-server"],
        &[("root", "/usr/bin/vncserver-x11-serviced -fg", 18_312, 9_404, 4), ("root", "/usr/bin/vncserver-x11-core -service", 98_312, 21_404, 40)])
        .only("realvnc"),
    row(&["vnc"], DEBIAN, ["tigervncserver@:0", "Remote desktop service (VNC)", "tigervnc-standalone-server"],
        &[("root", "/usr/bin/Xtigervnc :0 -localhost=0 -desktop {host}:0 (root) -rfbport 5900 -PasswordFile /root/.vnc/passwd -SecurityTypes VncAuth -geometry 1280x800", 198_312, 66_404, 60)]),
    row(&["vnc"], ANY, ["vncserver@:0", "Remote desktop service (VNC)", "tigervnc-server"],
        &[("root", "/usr/bin/Xvnc :0 -auth /root/.Xauthority -desktop {host}:0 (root) -rfbport 5900 -rfbauth /root/.vnc/passwd -geometry 1280x800", 198_312, 66_404, 60)]),

    row(&["docker_api", "k8s"], ANY, ["containerd", "containerd container runtime", "containerd"],
        &[("root", "/usr/bin/containerd", 1_356_220, 45_012, 160)]).at(&[0]).beside("runtime"),
    row(&["docker_api"], DEBIAN, ["docker", "Docker Application Container Engine", "docker.io"],
        &[("root", "/usr/sbin/dockerd -H fd:// -H tcp://0.0.0.0:2375 --containerd=/run/containerd/containerd.sock", 1_611_360, 78_508, 90)]),
    row(&["docker_api"], ANY, ["docker", "Docker Application Container Engine", "docker-ce"],
        &[("root", "/usr/bin/dockerd -H fd:// -H tcp://0.0.0.0:2375 --containerd=/run/containerd/containerd.sock", 1_611_360, 78_508, 90)]),
    row(&["k8s"], ANY, ["kubelet", "kubelet: The Kubernetes Node Agent", "kubelet"], &[
        ("root", "/usr/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml", 1_992_304, 98_812, 2_600),
        ("root", "kube-scheduler --authentication-kubeconfig=/etc/kubernetes/scheduler.conf --kubeconfig=/etc/kubernetes/scheduler.conf --leader-elect=true", 1_286_528, 58_244, 400),
        ("root", "kube-controller-manager --allocate-node-cidrs=true --kubeconfig=/etc/kubernetes/controller-manager.conf --leader-elect=true", 1_327_840, 112_084, 1_900),
        ("root", "etcd --data-dir=/var/lib/etcd --listen-client-urls=https://127.0.0.1:2379 --snapshot-count=10000", 11_284_900, 62_120, 2_100),
    ]).at(&[0]).beside("node"),
    row(&["k8s"], ANY, ["", "", "kubelet"],
        &[("root", "kube-apiserver --allow-privileged=true --anonymous-auth=true --authorization-mode=Node,RBAC --etcd-servers=https://127.0.0.1:2379 --secure-port=6443 --service-cluster-ip-range=10.96.0.0/12",
           1_508_676, 312_720, 3_900)]),
    row(&["conpot"], ANY, ["softplc", "PLC runtime", "softplc"],
        &[("root", "/opt/softplc/bin/softplc -c /etc/softplc/project.conf", 84_212, 21_904, 800)]),
];
