//! The page a freshly installed server shows. Layout, title and size are those people and scanners know;
//! the texts are our own.

use super::server::{Family, Server};

/// A default page.
pub(super) struct Welcome {
    /// Where it lies, beside `/`.
    pub(super) file: &'static str,
    /// Status it comes with.
    pub(super) status: u16,
    /// The page.
    pub(super) html: String,
}

/// The default page of a server on its distro.
pub(super) fn page(server: &Server) -> Welcome {
    let distro = server.distro.as_str();
    let debian = matches!(distro, "debian" | "ubuntu22" | "ubuntu20" | "kali");
    match (server.family, distro) {
        (Family::Nginx, "rocky9" | "fedora" | "centos7") => {
            Welcome { file: "/index.html", status: 200, html: test_page(distro, "nginx") }
        }
        (Family::Apache, "rocky9" | "fedora" | "centos7") => {
            Welcome { file: "/.noindex.html", status: 403, html: test_page(distro, "Apache HTTP Server") }
        }
        (Family::Nginx, _) => {
            let file = if debian { "/index.nginx-debian.html" } else { "/index.html" };
            // The known page has 615 bytes, 612 before it learned dark colours (1.20.2).
            let old = server.label().contains("1.18.");
            Welcome { file, status: 200, html: nginx(if old { 612 } else { 615 }, !old) }
        }
        (Family::Apache, "debian" | "kali") => debian_apache("Debian", 10701),
        (Family::Apache, "ubuntu22") => debian_apache("Ubuntu", 10671),
        (Family::Apache, "ubuntu20") => debian_apache("Ubuntu", 10918),
        (Family::Iis, _) => Welcome { file: "/iisstart.htm", status: 200, html: iis() },
        _ => Welcome {
            file: "/index.html",
            status: 200,
            html: "<html><body><h1>It works!</h1></body></html>\n".to_owned(),
        },
    }
}

/// Fills up to the size of the known page with blank lines before the end.
fn padded(html: &str, size: usize) -> String {
    let Some((before, after)) = html.split_once("</body>") else { return html.to_owned() };
    let missing = size.saturating_sub(html.len());
    let mut fill = String::with_capacity(missing);
    while fill.len() < missing {
        let column = fill.len() % 81;
        fill.push(if column == 80 { '\n' } else { ' ' });
    }
    format!("{before}{fill}</body>{after}")
}

fn nginx(size: usize, dark: bool) -> String {
    let scheme = if dark { "html { color-scheme: light dark; }\nbody { " } else { "body {\n" };
    let html = format!(
        "<!DOCTYPE html>\n<html>\n<head>\n<title>Welcome to nginx!</title>\n<style>\n{scheme}width: 35em; margin: \
         0 auto;\nfont-family: Tahoma, Verdana, Arial, sans-serif; }}\n</style>\n</head>\n<body>\n<h1>Welcome to \
         nginx!</h1>\n<p>The nginx web server was installed on this host and runs.\nIt still needs to be \
         configured.</p>\n\n<p>Documentation is at <a href=\"http://nginx.org/\">nginx.org</a>.<br/>\nSupport can \
         be had from <a href=\"http://nginx.com/\">nginx.com</a>.</p>\n\n<p><em>Thank you for using \
         nginx.</em></p>\n</body>\n</html>\n"
    );
    padded(&html, size)
}

fn debian_apache(name: &str, size: usize) -> Welcome {
    let tree = "/etc/apache2/\n|-- apache2.conf\n|       `--  ports.conf\n|-- mods-enabled\n|       |-- \
                *.load\n|       `-- *.conf\n|-- conf-enabled\n|       `-- *.conf\n`-- sites-enabled\n        `-- \
                *.conf\n";
    let html = format!(
        "\n<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \
         \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n<html \
         xmlns=\"http://www.w3.org/1999/xhtml\">\n  <head>\n    <meta http-equiv=\"Content-Type\" \
         content=\"text/html; charset=UTF-8\" />\n    <title>Apache2 {name} Default Page: It works</title>\n    \
         <style type=\"text/css\" media=\"screen\">\n  * {{ margin: 0; padding: 0; }}\n  body, html {{ padding: 3px; \
         background-color: #D8DBE2; font-family: Verdana, sans-serif; font-size: 11pt; text-align: center; }}\n  \
         div.main_page {{ width: 800px; margin: 3px auto; border: 2px solid #212738; background-color: #FFFFFF; \
         text-align: left; }}\n  div.page_header {{ width: 100%; background-color: #F5F6F7; }}\n  \
         div.section_header {{ background-color: #8E9CB2; color: #FFFFFF; font-size: 112%; text-align: center; \
         padding: 3px 6px; }}\n  div.content_section_text {{ padding: 4px 8px; }}\n    </style>\n  </head>\n  \
         <body>\n    <div class=\"main_page\">\n      <div class=\"page_header floating_element\">\n        <span \
         class=\"floating_element\">Apache2 {name} Default Page</span>\n      </div>\n      <div \
         class=\"content_section floating_element\">\n        <div class=\"section_header\">It works!</div>\n        \
         <div class=\"content_section_text\">\n          <p>This page comes with the {name} package of Apache2 and \
         shows that the server runs.\n          Put your own site in place of \
         <tt>/var/www/html/index.html</tt>.</p>\n          <p>Seeing it where another site should be usually means \
         that the site is down for\n          maintenance; its administrator can tell.</p>\n        </div>\n        \
         <div class=\"section_header\">Configuration Overview</div>\n        <div \
         class=\"content_section_text\">\n          <p>The configuration in {name} is split into several files; \
         <tt>/usr/share/doc/apache2/README.Debian.gz</tt>\n          explains how.</p>\n          \
         <pre>{tree}</pre>\n          <p><tt>a2enmod</tt>, <tt>a2dismod</tt>, <tt>a2ensite</tt>, \
         <tt>a2dissite</tt>, <tt>a2enconf</tt> and <tt>a2disconf</tt>\n          turn the pieces on and off; \
         <tt>systemctl</tt> starts and stops <tt>apache2</tt>.</p>\n        </div>\n        <div \
         class=\"section_header\">Document Roots</div>\n        <div class=\"content_section_text\">\n          \
         <p>Only files below <tt>/var/www</tt> are served unless <tt>/etc/apache2/apache2.conf</tt> says \
         otherwise.</p>\n        </div>\n        <div class=\"section_header\">Reporting Problems</div>\n        \
         <div class=\"content_section_text\">\n          <p>Problems of the {name} package belong into its bug \
         tracker; use <tt>reportbug</tt>.</p>\n        </div>\n      </div>\n    </div>\n  </body>\n</html>\n\n"
    );
    Welcome { file: "/index.html", status: 200, html: padded(&html, size) }
}

fn test_page(distro: &str, product: &str) -> String {
    let title = match distro {
        "rocky9" => "HTTP Server Test Page powered by: Rocky Linux".to_owned(),
        "fedora" => "Test Page for the HTTP Server on Fedora".to_owned(),
        _ if product == "nginx" => "Welcome to CentOS".to_owned(),
        _ => "Apache HTTP Server Test Page powered by CentOS".to_owned(),
    };
    let root = if product == "nginx" { "/usr/share/nginx/html" } else { "/var/www/html" };
    format!(
        "<!doctype html>\n<html>\n  <head>\n    <meta charset='utf-8'>\n    <meta name='viewport' \
         content='width=device-width, initial-scale=1'>\n    <title>{title}</title>\n    <style \
         type=\"text/css\">\n      html {{ height: 100%; }}\n      body {{ background: #20325a; color: #fff; \
         font-family: sans-serif; margin: 0; }}\n      main {{ max-width: 50em; margin: 4em auto; }}\n      a {{ color: \
         #10b981; }}\n    </style>\n  </head>\n  <body>\n    <main>\n      <h1>HTTP Server <strong>Test \
         Page</strong></h1>\n      <p>This page is here to test that {product} works after it was installed. If you can \
         read it,\n      it does.</p>\n      <h2>Just visiting?</h2>\n      <p>The site you wanted may be under \
         maintenance or not yet set up. Write to its webmaster.</p>\n      <h2>Are you the administrator?</h2>\n      \
         <p>Put your content into <code>{root}</code>; this page then goes away.</p>\n    </main>\n  </body>\n</html>\n"
    )
}

fn iis() -> String {
    padded(
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \
         \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\r\n<html \
         xmlns=\"http://www.w3.org/1999/xhtml\">\r\n<head>\r\n<meta http-equiv=\"Content-Type\" \
         content=\"text/html; charset=iso-8859-1\" />\r\n<title>IIS Windows Server</title>\r\n<style \
         type=\"text/css\">\r\nbody { background-color:#0072C6; margin:0; }\r\n</style>\r\n</head>\r\n<body>\r\n<div \
         id=\"container\">\r\n<a href=\"http://go.microsoft.com/fwlink/?linkid=66138&amp;clcid=0x409\">Internet \
         Information Services</a>\r\n</div>\r\n</body>\r\n</html>",
        703,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::testing::persona;

    #[test]
    fn sizes_and_titles_are_the_known_ones() {
        for (distro, header, size, title) in [
            ("debian", "nginx/1.22.1", 615, "Welcome to nginx!"),
            ("ubuntu22", "nginx/1.18.0 (Ubuntu)", 612, "Welcome to nginx!"),
            ("debian", "Apache/2.4.71 (Debian)", 10701, "Apache2 Debian Default Page: It works"),
            ("ubuntu22", "Apache/2.4.52 (Ubuntu)", 10671, "Apache2 Ubuntu Default Page: It works"),
            ("debian", "Microsoft-IIS/10.0", 703, "IIS Windows Server"),
        ] {
            let mut p = persona(&["http"]);
            p.distro = distro.into();
            let page = page(&Server::new(&p, Some(header), "none"));
            assert_eq!(page.html.len(), size, "{header}");
            assert!(page.html.contains(&format!("<title>{title}</title>")), "{header}");
        }
    }
}
