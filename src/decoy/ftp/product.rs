//! Which FTP server a decky plays.

use crate::model::Persona;

/// A server product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    /// vsftpd.
    Vsftpd,
    /// ProFTPD.
    Proftpd,
    /// Pure-FTPd.
    Pureftpd,
}

/// A product with its version and what it greets with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// The product.
    pub(super) product: Product,
    /// Version of vsftpd: it is in the greeting and in `STAT`.
    pub(super) version: String,
    /// The greeting, when the operator chose one.
    pub(super) greeting: Option<String>,
}

impl Server {
    /// The server of a decky: what the operator's banner names, else drawn from the seed. A machine one
    /// can look into from a shell has vsftpd, because its files say so.
    pub(super) fn new(persona: &Persona, banner: Option<&str>) -> Self {
        let version = vsftpd_version(&persona.distro).to_owned();
        let named = banner.map(str::to_ascii_lowercase);
        let product = match named.as_deref() {
            Some(text) if text.contains("proftpd") => Product::Proftpd,
            Some(text) if text.contains("pure-ftpd") => Product::Pureftpd,
            Some(_) => Product::Vsftpd,
            None if ["ssh", "telnet"].iter().any(|s| persona.services.contains_key(*s)) => Product::Vsftpd,
            // ProFTPD only by name: nmap 7.93 calls the genuine one of Debian, whose greeting has no version,
            // a Nagios agent.
            None if persona.seed.number("ftp/product", 4) == 0 => Product::Pureftpd,
            None => Product::Vsftpd,
        };
        let claimed = banner.and_then(|b| b.to_ascii_lowercase().split("vsftpd ").nth(1).map(version_word));
        Self {
            product,
            version: claimed.filter(|v| !v.is_empty()).unwrap_or(version),
            greeting: banner.map(greeting),
        }
    }
}

fn version_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').take(16).collect()
}

/// The banner as greeting lines: its own `220` stays, another is put before.
fn greeting(banner: &str) -> String {
    let lines: Vec<&str> = banner.lines().map(str::trim_end).take(16).collect();
    let last = lines.len().saturating_sub(1);
    let mut out = String::new();
    for (at, line) in lines.iter().enumerate() {
        let text = line.strip_prefix("220").map_or(*line, |rest| rest.trim_start_matches(['-', ' ']));
        let clean: String = text.chars().filter(|c| !c.is_control()).take(400).collect();
        out.push_str(if at == last { "220 " } else { "220-" });
        out.push_str(&clean);
        out.push_str("\r\n");
    }
    if out.is_empty() { "220 \r\n".to_owned() } else { out }
}

/// vsftpd as the distro packages it.
fn vsftpd_version(distro: &str) -> &'static str {
    match distro {
        "centos7" => "3.0.2",
        "debian" | "ubuntu20" => "3.0.3",
        _ => "3.0.5",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::persona;

    #[test]
    fn banner_decides() {
        let p = persona(&["ftp"]);
        for (banner, product, greeting) in [
            ("220 (vsFTPd 3.0.5)", Product::Vsftpd, "220 (vsFTPd 3.0.5)\r\n"),
            ("ProFTPD 1.3.6 Server (x)", Product::Proftpd, "220 ProFTPD 1.3.6 Server (x)\r\n"),
            ("a\nb", Product::Vsftpd, "220-a\r\n220 b\r\n"),
        ] {
            let server = Server::new(&p, Some(banner));
            assert_eq!((server.product, server.greeting.as_deref()), (product, Some(greeting)));
        }
        assert_eq!(Server::new(&p, Some("(vsFTPd 3.0.5)")).version, "3.0.5");
    }

    #[test]
    fn a_machine_with_a_shell_has_vsftpd() {
        let server = Server::new(&persona(&["ftp", "ssh"]), None);
        assert_eq!((server.product, server.version.as_str()), (Product::Vsftpd, "3.0.3"));
    }
}
