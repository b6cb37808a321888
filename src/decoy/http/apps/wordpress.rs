//! WordPress: front page, login, XML-RPC, the open part of the REST API.

use super::{Tokens, origin, query_encode};
use crate::decoy::http::credentials::field;
use crate::decoy::http::request::Request;
use crate::decoy::http::response::{Response, escape, http_date};
use crate::model::Persona;

const VERSION: &str = "6.8.3";
const HTML: &str = "text/html; charset=UTF-8";

/// One site.
pub(in crate::decoy::http) struct Wordpress {
    title: &'static str,
    tagline: &'static str,
    /// Login name and shown name of the first account.
    author: (&'static str, &'static str),
    posted: i64,
    tokens: Tokens,
}

const SITES: &[(&str, &str)] = &[
    ("Intranet", "News and notices"),
    ("Facility Services", "Bookings, forms, contacts"),
    ("Project Notes", "What we are working on"),
    ("Company Blog", "Just another WordPress site"),
    ("Staff Portal", "For employees"),
    ("Workshop", "Tools, schedules, people"),
];

const AUTHORS: &[(&str, &str)] =
    &[("admin", "admin"), ("webmaster", "Webmaster"), ("editor", "Editor"), ("wpadmin", "wpadmin")];

impl Wordpress {
    pub(super) fn new(persona: &Persona) -> Self {
        let (title, tagline) = persona.seed.pick("http/wp/site", SITES).copied().unwrap_or(SITES[0]);
        let author = persona.seed.pick("http/wp/author", AUTHORS).copied().unwrap_or(AUTHORS[0]);
        let after = i64::try_from(persona.seed.number("http/wp/posted", 10 * 86_400)).unwrap_or(0);
        let posted = persona.born.saturating_add(after);
        Self { title, tagline, author, posted, tokens: Tokens::new(&persona.seed) }
    }

    /// Its answer; none where the web server answers itself.
    pub(super) fn respond(&self, request: &Request, body: &[u8]) -> Option<Response> {
        let path = request.path();
        let base = origin(request);
        let query = String::from_utf8_lossy(request.target.query.as_deref().unwrap_or_default()).into_owned();
        Some(match path.as_str() {
            "/" | "/index.php" if query.starts_with("author=1") => {
                Response::redirect(301, format!("{base}/author/{}/", self.author.0), HTML)
                    .with("X-Redirect-By", "WordPress")
            }
            "/" if query.starts_with("rest_route=") => self.rest(&base, "/wp-json/"),
            "/" | "/index.php" => self.linked(Response::app(200, HTML, self.front(&base)), &base),
            "/wp-login.php" => self.login(request, body, &base, &query),
            "/xmlrpc.php" => xmlrpc(request, body),
            "/readme.html" => Response::app(200, "text/html", readme()),
            "/license.txt" => return None,
            "/robots.txt" => {
                let text = format!(
                    "User-agent: *\nDisallow: /wp-admin/\nAllow: /wp-admin/admin-ajax.php\n\nSitemap: {base}/wp-sitemap.xml\n"
                );
                self.linked(Response::app(200, "text/plain; charset=utf-8", text), &base)
            }
            "/favicon.ico" => {
                let icon = format!("{base}/wp-includes/images/w-logo-blue-white-bg.png");
                Response::redirect(302, icon, HTML).with("X-Redirect-By", "WordPress")
            }
            "/wp-cron.php" | "/wp-config.php" | "/wp-load.php" | "/wp-blog-header.php" => {
                Response::app(200, HTML, "")
            }
            "/wp-content/" | "/wp-content/plugins/" | "/wp-content/themes/" => Response::app(200, HTML, ""),
            "/wp-includes/" | "/wp-content/uploads/" => Response::page(403),
            "/wp-admin/admin-ajax.php" => {
                no_cache(Response::app(400, HTML, "0")).with("X-Robots-Tag", "noindex")
            }
            "/wp-admin/install.php" => no_cache(Response::app(200, HTML, installed())),
            "/feed/" => {
                let feed = self.feed(&base);
                self.linked(Response::app(200, "application/rss+xml; charset=UTF-8", feed), &base)
            }
            "/login" | "/login/" => Response::redirect(302, format!("{base}/wp-login.php"), HTML)
                .with("X-Redirect-By", "WordPress"),
            "/admin" | "/admin/" | "/dashboard" => {
                Response::redirect(302, format!("{base}/wp-admin/"), HTML).with("X-Redirect-By", "WordPress")
            }
            "/wp-admin" => Response::redirect(301, format!("{base}/wp-admin/"), HTML),
            _ if path.starts_with("/wp-admin/") => {
                let back = query_encode(format!("{base}{path}").as_bytes());
                let to = format!("{base}/wp-login.php?redirect_to={back}&reauth=1");
                no_cache(Response::redirect(302, to, HTML)).with("X-Redirect-By", "WordPress")
            }
            _ if path.starts_with("/wp-json") => self.rest(&base, &path),
            _ if path == format!("/author/{}/", self.author.0) => {
                self.linked(Response::app(200, HTML, self.front(&base)), &base)
            }
            _ if path.starts_with("/wp-includes/") || path.starts_with("/wp-content/") => return None,
            _ => self.linked(no_cache(Response::app(404, HTML, self.missing(&base))), &base),
        })
    }

    fn linked(&self, response: Response, base: &str) -> Response {
        response.with("Link", format!("<{base}/wp-json/>; rel=\"https://api.w.org/\""))
    }

    fn page(&self, base: &str, title: &str, content: &str) -> String {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head>\n\t<meta charset=\"UTF-8\" />\n\t<meta name=\"viewport\" \
             content=\"width=device-width, initial-scale=1\" />\n<meta name='robots' content='max-image-preview:large' \
             />\n<title>{title}</title>\n<link rel=\"alternate\" type=\"application/rss+xml\" title=\"{0} &raquo; Feed\" \
             href=\"{base}/feed/\" />\n<link rel='stylesheet' id='wp-block-library-css' \
             href='{base}/wp-includes/css/dist/block-library/style.min.css?ver={VERSION}' media='all' />\n<link \
             rel='stylesheet' id='twentytwentyfour-style-css' \
             href='{base}/wp-content/themes/twentytwentyfour/style.css?ver=1.3' media='all' />\n<link \
             rel=\"https://api.w.org/\" href=\"{base}/wp-json/\" /><link rel=\"EditURI\" type=\"application/rsd+xml\" \
             title=\"RSD\" href=\"{base}/xmlrpc.php?rsd\" />\n<meta name=\"generator\" content=\"WordPress {VERSION}\" \
             />\n</head>\n<body class=\"home blog wp-embed-responsive\">\n<div class=\"wp-site-blocks\">\n<header \
             class=\"wp-block-template-part\"><p class=\"wp-block-site-title\"><a href=\"{base}\" rel=\"home\">{0}</a></p>\
             <p class=\"wp-block-site-tagline\">{1}</p></header>\n<main id=\"wp--skip-link--target\">\n{content}\n</main>\n\
             <footer class=\"wp-block-template-part\"><p>Proudly powered by <a href=\"https://wordpress.org\" \
             rel=\"nofollow\">WordPress</a></p></footer>\n</div>\n</body>\n</html>\n",
            self.title, self.tagline
        )
    }

    fn front(&self, base: &str) -> String {
        let date = jiff::Timestamp::from_second(self.posted).unwrap_or_default();
        let (iso, shown) = (date.strftime("%Y-%m-%dT%H:%M:%S+00:00"), date.strftime("%B %-d, %Y"));
        let content = format!(
            "<article class=\"wp-block-post post-1 post type-post status-publish\">\n<h2 \
             class=\"wp-block-post-title\"><a href=\"{base}/hello-world/\">Hello world!</a></h2>\n<div \
             class=\"wp-block-post-date\"><time datetime=\"{iso}\">{shown}</time></div>\n<p>by <a \
             href=\"{base}/author/{}/\">{}</a></p>\n<p>This is the first post on this site. More will follow.</p>\n\
             </article>\n<nav><a href=\"{base}/sample-page/\">Sample Page</a> <a href=\"{base}/wp-login.php\">Log \
             in</a></nav>",
            self.author.0, self.author.1
        );
        self.page(base, &format!("{} &#8211; {}", self.title, self.tagline), &content)
    }

    fn missing(&self, base: &str) -> String {
        let content = "<h1 class=\"wp-block-heading\">Page Not Found</h1>\n<p>Nothing is at this address; it may have \
                       been moved or removed.</p>";
        self.page(base, &format!("Page not found &#8211; {}", self.title), content)
    }

    fn feed(&self, base: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><rss version=\"2.0\">\n<channel>\n\t<title>{}</title>\n\t\
             <link>{base}</link>\n\t<description>{}</description>\n\t<lastBuildDate>{}</lastBuildDate>\n\t\
             <generator>https://wordpress.org/?v={VERSION}</generator>\n\t<item><title>Hello \
             world!</title><link>{base}/hello-world/</link></item>\n</channel>\n</rss>\n",
            self.title,
            self.tagline,
            http_date(self.posted).replace("GMT", "+0000")
        )
    }

    fn login(&self, request: &Request, body: &[u8], base: &str, query: &str) -> Response {
        let mut notice = String::new();
        let mut typed = String::new();
        if request.is("POST") && !query.starts_with("action=lostpassword") {
            let user = field(body, "log").unwrap_or_default();
            typed = escape(&String::from_utf8_lossy(&user));
            let secret = field(body, "pwd").unwrap_or_default();
            notice = self.verdict(&typed, secret.is_empty(), base);
        }
        let to = format!("{base}/wp-admin/");
        let error = if notice.is_empty() {
            String::new()
        } else {
            format!("<div id=\"login_error\" class=\"notice notice-error\"><p>{notice}</p></div>\n")
        };
        let page = format!(
            "<!DOCTYPE html>\n\t<html lang=\"en-US\">\n\t<head>\n\t<meta http-equiv=\"Content-Type\" content=\"text/html; \
             charset=UTF-8\" />\n\t<title>Log In &lsaquo; {0} &#8212; WordPress</title>\n\t<meta name='robots' \
             content='max-image-preview:large, noindex, noarchive' />\n<link rel='stylesheet' id='login-css' \
             href='{base}/wp-admin/css/login.min.css?ver={VERSION}' media='all' />\n\t<meta name='referrer' \
             content='strict-origin-when-cross-origin' />\n\t<meta name=\"viewport\" content=\"width=device-width, \
             initial-scale=1.0\" />\n\t</head>\n\t<body class=\"login no-js login-action-login wp-core-ui  \
             locale-en-us\">\n\t<div id=\"login\">\n\t\t<h1 role=\"presentation\" class=\"wp-login-logo\"><a \
             href=\"https://wordpress.org/\">Powered by WordPress</a></h1>\n\t{error}\n\t\t<form name=\"loginform\" \
             id=\"loginform\" action=\"{base}/wp-login.php\" method=\"post\">\n\t\t\t<p>\n\t\t\t\t<label \
             for=\"user_login\">Username or Email Address</label>\n\t\t\t\t<input type=\"text\" name=\"log\" \
             id=\"user_login\" class=\"input\" value=\"{typed}\" size=\"20\" autocapitalize=\"off\" \
             autocomplete=\"username\" required=\"required\" />\n\t\t\t</p>\n\t\t\t<div class=\"user-pass-wrap\">\n\t\t\t\t\
             <label for=\"user_pass\">Password</label>\n\t\t\t\t<div class=\"wp-pwd\">\n\t\t\t\t\t<input \
             type=\"password\" name=\"pwd\" id=\"user_pass\" class=\"input password-input\" value=\"\" size=\"20\" \
             autocomplete=\"current-password\" spellcheck=\"false\" required=\"required\" />\n\t\t\t\t</div>\n\t\t\t\
             </div>\n\t\t\t<p class=\"forgetmenot\"><input name=\"rememberme\" type=\"checkbox\" id=\"rememberme\" \
             value=\"forever\"  /> <label for=\"rememberme\">Remember Me</label></p>\n\t\t\t<p class=\"submit\">\n\t\t\t\t\
             <input type=\"submit\" name=\"wp-submit\" id=\"wp-submit\" class=\"button button-primary button-large\" \
             value=\"Log In\" />\n\t\t\t\t<input type=\"hidden\" name=\"redirect_to\" value=\"{to}\" />\n\t\t\t\t<input \
             type=\"hidden\" name=\"testcookie\" value=\"1\" />\n\t\t\t</p>\n\t\t</form>\n\t\t<p id=\"nav\">\n\t\t\t<a \
             class=\"wp-login-lost-password\" href=\"{base}/wp-login.php?action=lostpassword\">Lost your \
             password?</a>\n\t\t</p>\n\t\t<p id=\"backtoblog\">\n\t\t\t<a href=\"{base}/\">&larr; Go to \
             {0}</a>\t\t</p>\n\t</div>\n\t</body>\n\t</html>\n\t",
            self.title
        );
        no_cache(Response::app(200, HTML, page))
            .with("Set-Cookie", "wordpress_test_cookie=WP%20Cookie%20check; path=/; HttpOnly")
            .with("X-Frame-Options", "SAMEORIGIN")
            .with("Referrer-Policy", "strict-origin-when-cross-origin")
    }

    /// Says which half was wrong, as WordPress does.
    fn verdict(&self, user: &str, no_secret: bool, base: &str) -> String {
        if user.is_empty() {
            return "<strong>Error:</strong> The username field is empty.".to_owned();
        }
        if no_secret {
            return "<strong>Error:</strong> The password field is empty.".to_owned();
        }
        if user == self.author.0 {
            return format!(
                "<strong>Error:</strong> The password you entered for the username <strong>{user}</strong> is incorrect. \
                 <a href=\"{base}/wp-login.php?action=lostpassword\">Lost your password?</a>"
            );
        }
        format!(
            "<strong>Error:</strong> The username <strong>{user}</strong> is not registered on this site. If you are unsure \
             of your username, try your email address instead."
        )
    }

    fn rest(&self, base: &str, path: &str) -> Response {
        let json = "application/json; charset=UTF-8";
        let (id, name) = self.author;
        let (status, body) = match path {
            "/wp-json" | "/wp-json/" => (
                200,
                serde_json::json!({
                    "name": self.title, "description": self.tagline, "url": base, "home": base, "gmt_offset": "0",
                    "timezone_string": "", "namespaces": ["oembed/1.0", "wp/v2", "wp-site-health/v1", "wp-block-editor/v1"],
                    "authentication": {"application-passwords": {"endpoints":
                        {"authorization": format!("{base}/wp-admin/authorize-application.php")}}},
                    "routes": {"/": {"namespace": "", "methods": ["GET"]},
                        "/wp/v2/posts": {"namespace": "wp/v2", "methods": ["GET", "POST"]},
                        "/wp/v2/users": {"namespace": "wp/v2", "methods": ["GET", "POST"]}},
                }),
            ),
            "/wp-json/wp/v2/users" | "/wp-json/wp/v2/users/" => (
                200,
                serde_json::json!([{"id": 1, "name": name, "url": base, "description": "",
                    "link": format!("{base}/author/{id}/"), "slug": id}]),
            ),
            "/wp-json/wp/v2/posts" | "/wp-json/wp/v2/posts/" => (
                200,
                serde_json::json!([{"id": 1, "slug": "hello-world", "status": "publish", "type": "post",
                    "link": format!("{base}/hello-world/"), "title": {"rendered": "Hello world!"}, "author": 1}]),
            ),
            _ => (
                404,
                serde_json::json!({"code": "rest_no_route",
                    "message": "No route was found matching the URL and request method.", "data": {"status": 404}}),
            ),
        };
        let nonce = self.tokens.hex(10);
        self.linked(Response::app(status, json, body.to_string()).with("X-Robots-Tag", "noindex"), base)
            .with("X-Content-Type-Options", "nosniff")
            .with("Access-Control-Expose-Headers", "X-WP-Total, X-WP-TotalPages, Link")
            .with(
                "Access-Control-Allow-Headers",
                "Authorization, X-WP-Nonce, Content-Disposition, Content-MD5, Content-Type",
            )
            .with("X-WP-Nonce", nonce)
    }
}

fn no_cache(response: Response) -> Response {
    response
        .with("Expires", "Wed, 11 Jan 1984 05:00:00 GMT")
        .with("Cache-Control", "no-cache, must-revalidate, max-age=0, no-store, private")
}

fn xmlrpc(request: &Request, body: &[u8]) -> Response {
    if !request.is("POST") {
        return Response::app(405, "text/plain;charset=UTF-8", "XML-RPC server accepts POST requests only.")
            .allowing("POST");
    }
    let text = String::from_utf8_lossy(body);
    let answer = |inner: &str| {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse>\n{inner}\n</methodResponse>\n")
    };
    let fault = |code: i32, message: &str| {
        answer(&format!(
            "  <fault>\n    <value>\n      <struct>\n        <member>\n          <name>faultCode</name>\n          \
             <value><int>{code}</int></value>\n        </member>\n        <member>\n          <name>faultString</name>\n          \
             <value><string>{message}</string></value>\n        </member>\n      </struct>\n    </value>\n  </fault>"
        ))
    };
    let reply = if !text.contains("<methodName>") {
        fault(-32700, "parse error. not well formed")
    } else if text.contains("system.listMethods") {
        let names = [
            "system.multicall",
            "system.listMethods",
            "system.getCapabilities",
            "pingback.ping",
            "wp.getUsersBlogs",
            "wp.getPosts",
            "wp.getUsers",
            "metaWeblog.newPost",
            "blogger.getUsersBlogs",
            "demo.sayHello",
        ];
        let list: String = names.iter().map(|n| format!("  <value><string>{n}</string></value>\n")).collect();
        answer(&format!(
            "  <params>\n    <param>\n      <value>\n      <array><data>\n{list}</data></array>\n      </value>\n    </param>\n  </params>"
        ))
    } else if text.contains("demo.sayHello") {
        answer(
            "  <params>\n    <param>\n      <value>\n      <string>Hello!</string>\n      </value>\n    </param>\n  </params>",
        )
    } else if text.contains("pingback.ping") {
        fault(0, "")
    } else {
        fault(403, "Incorrect username or password.")
    };
    Response::app(200, "text/xml; charset=UTF-8", reply)
}

fn readme() -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n\t<meta name=\"viewport\" content=\"width=device-width\" />\n\t<meta \
         http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\" />\n\t<title>WordPress &#8250; ReadMe</title>\n\
         </head>\n<body>\n<h1 id=\"logo\">\n\t<a href=\"https://wordpress.org/\">WordPress</a>\n\t<br /> Version {VERSION}\n\
         </h1>\n<p style=\"text-align: center\">Semantic Personal Publishing Platform</p>\n<h2>Installation</h2>\n<p>Unpack, \
         open <a href=\"wp-admin/install.php\">wp-admin/install.php</a> in a browser, follow it.</p>\n</body>\n</html>\n"
    )
}

fn installed() -> String {
    "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>WordPress &rsaquo; Installation</title></head>\n<body \
     class=\"wp-core-ui\">\n<h1>Already Installed</h1>\n<p>WordPress is already installed here. To install it again, first \
     clear its database tables.</p>\n<p class=\"step\"><a href=\"../wp-login.php\" class=\"button button-large\">Log \
     In</a></p>\n</body>\n</html>\n"
        .to_owned()
}
