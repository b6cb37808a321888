//! Which web server a decky plays: its family, its version, what it calls itself.
//!
//! Versions are those a patched host of the distro runs. The families of nginx 1.22.1 and Apache 2.4.71
//! were measured on Debian 12 (143 requests, good and bad, byte for byte).

use crate::model::Persona;

/// How a server behaves on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decoy) enum Family {
    /// nginx and what is built on it.
    Nginx,
    /// Apache httpd.
    Apache,
    /// IIS on http.sys.
    Iis,
    /// Tomcat's Coyote connector.
    Tomcat,
    /// Jetty, as inside Jenkins.
    Jetty,
    /// net/http of Go.
    Go,
    /// Netty, as inside Elasticsearch.
    Netty,
    /// Anything else an operator names.
    Other,
}

/// One server.
#[derive(Clone, Debug)]
pub(in crate::decoy) struct Server {
    /// How it behaves.
    pub(in crate::decoy) family: Family,
    /// Value of its `Server` header; none for Tomcat.
    pub(in crate::decoy) token: Option<String>,
    /// Distro slug: decides default pages and configuration.
    pub(in crate::decoy) distro: String,
    /// What it calls itself when a client names no host.
    pub(in crate::decoy) name: String,
    /// Whether `TRACE` is answered (Debian's Apache turns it off).
    pub(in crate::decoy) trace: bool,
}

/// nginx and Apache as a patched host of each distro names them.
const VERSIONS: &[(&str, &str, &str)] = &[
    ("debian", "nginx/1.22.1", "Apache/2.4.71 (Debian)"),
    ("ubuntu22", "nginx/1.18.0 (Ubuntu)", "Apache/2.4.52 (Ubuntu)"),
    ("ubuntu20", "nginx/1.18.0 (Ubuntu)", "Apache/2.4.41 (Ubuntu)"),
    ("rocky9", "nginx/1.20.1", "Apache/2.4.62 (Rocky Linux)"),
    ("centos7", "nginx/1.20.1", "Apache/2.4.6 (CentOS)"),
    ("alpine", "nginx/1.24.0", "Apache/2.4.62 (Unix)"),
    ("fedora", "nginx/1.26.2", "Apache/2.4.62 (Fedora Linux)"),
    ("kali", "nginx/1.28.0", "Apache/2.4.66 (Debian)"),
    ("arch", "nginx/1.28.0", "Apache/2.4.66 (Unix)"),
];

/// IIS of Windows Server 2016 to 2022 and Windows 10/11.
const IIS: &str = "Microsoft-IIS/10.0";

/// Jetty inside the Jenkins that [`super::apps::jenkins`] plays.
const JETTY: &str = "Jetty(10.0.24)";

impl Server {
    /// The server of a decky: named by the operator, else fitting the app, else drawn from the seed.
    pub(in crate::decoy) fn new(persona: &Persona, header: Option<&str>, app: &str) -> Self {
        let token = match (header, app) {
            (Some(text), _) => Some(text.to_owned()),
            (None, "tomcat") => None,
            (None, "jenkins") => Some(JETTY.to_owned()),
            (None, _) => Some(Self::draw(persona, app)),
        };
        let family = token.as_deref().map_or(Family::Tomcat, family);
        let debian = matches!(persona.distro.as_str(), "debian" | "ubuntu22" | "ubuntu20" | "kali");
        Self {
            family,
            trace: !debian || !matches!(family, Family::Apache),
            // Debian's installer maps the bare host name to this address, and that is what Apache finds.
            name: if debian { "127.0.1.1".to_owned() } else { persona.ip.to_string() },
            distro: persona.distro.clone(),
            token,
        }
    }

    /// A server that is part of another product.
    pub(in crate::decoy) fn inside(persona: &Persona, family: Family) -> Self {
        Self {
            family,
            token: None,
            distro: persona.distro.clone(),
            name: persona.ip.to_string(),
            trace: true,
        }
    }

    fn draw(persona: &Persona, app: &str) -> String {
        if persona.nmap_os.starts_with("windows") && !matches!(app, "wordpress" | "phpmyadmin") {
            return IIS.to_owned();
        }
        let (_, nginx, apache) =
            VERSIONS.iter().find(|v| v.0 == persona.distro).copied().unwrap_or(VERSIONS[0]);
        let apache_wins = persona.seed.number("http/server", 2) == 1 || app == "phpmyadmin";
        if apache_wins { apache.to_owned() } else { nginx.to_owned() }
    }

    /// The `Server` value, or what stands for it on a page.
    pub(in crate::decoy) fn label(&self) -> &str {
        self.token.as_deref().unwrap_or("Apache Tomcat")
    }

    /// Whether Apache's error pages carry the newer document type (measured on 2.4.71; 2.4.62 and
    /// before have the old one).
    pub(in crate::decoy) fn strict_doctype(&self) -> bool {
        let patch = self.label().strip_prefix("Apache/2.4.").unwrap_or("");
        let digits: String = patch.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().is_ok_and(|n| n >= 64)
    }
}

fn family(token: &str) -> Family {
    let lower = token.to_ascii_lowercase();
    let starts = |word: &str| lower.starts_with(word);
    if starts("apache-coyote") || starts("apache tomcat") {
        Family::Tomcat
    } else if starts("nginx") || starts("openresty") || starts("tengine") {
        Family::Nginx
    } else if starts("apache") {
        Family::Apache
    } else if starts("microsoft-iis") {
        Family::Iis
    } else if starts("jetty") {
        Family::Jetty
    } else {
        Family::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::persona;

    #[test]
    fn header_decides_the_family() {
        let p = persona(&["http"]);
        for (text, want) in [
            ("nginx/1.25.3", Family::Nginx),
            ("Apache/2.4.57 (Debian)", Family::Apache),
            ("Apache-Coyote/1.1", Family::Tomcat),
            ("Microsoft-IIS/10.0", Family::Iis),
            ("Jetty(9.4.z)", Family::Jetty),
            ("lighttpd/1.4.69", Family::Other),
        ] {
            let server = Server::new(&p, Some(text), "none");
            assert_eq!((server.family, server.label()), (want, text));
        }
    }

    #[test]
    fn drawn_servers_fit_the_distro() {
        let mut p = persona(&["http"]);
        p.distro = "ubuntu22".into();
        assert!(Server::new(&p, None, "none").label().ends_with("(Ubuntu)"));
        p.nmap_os = "windows_server".into();
        assert_eq!(Server::new(&p, None, "none").label(), IIS);
        assert_eq!(Server::new(&p, None, "tomcat").token, None);
    }
}
