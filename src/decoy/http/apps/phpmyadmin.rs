//! phpMyAdmin: its login form, and MySQL saying no.

use super::Tokens;
use crate::decoy::http::credentials::field;
use crate::decoy::http::request::Request;
use crate::decoy::http::response::{Response, escape};
use crate::model::Persona;

const VERSION: &str = "5.2.1";
const HTML: &str = "text/html; charset=utf-8";

/// Where it can be found; the web root is it, too.
const ROOTS: &[&str] = &["/phpmyadmin/", "/phpMyAdmin/", "/pma/", "/"];

/// One installation.
pub(in crate::decoy::http) struct Phpmyadmin {
    tokens: Tokens,
}

impl Phpmyadmin {
    pub(super) fn new(persona: &Persona) -> Self {
        Self { tokens: Tokens::new(&persona.seed) }
    }

    /// Its answer; none where the path names nothing.
    pub(super) fn respond(&self, request: &Request, body: &[u8]) -> Option<Response> {
        let path = request.path();
        if matches!(path.as_str(), "/phpmyadmin" | "/phpMyAdmin" | "/pma") {
            return Some(Response::redirect(301, format!("{path}/"), HTML));
        }
        let root = ROOTS.iter().find(|root| path.starts_with(**root))?;
        let rest = path.strip_prefix(root)?;
        match rest {
            "" | "index.php" => Some(self.login(request, body, root)),
            "robots.txt" => Some(Response::app(200, "text/plain", "User-agent: *\nDisallow: /\n")),
            "README" => Some(Response::app(
                200,
                "text/plain",
                format!("phpMyAdmin - Readme\n===================\n\nVersion {VERSION}\n"),
            )),
            "libraries/" | "templates/" | "setup/lib/" => Some(Response::page(403)),
            _ => None,
        }
    }

    fn login(&self, request: &Request, body: &[u8], root: &str) -> Response {
        let user = if request.is("POST") { field(body, "pma_username") } else { None };
        let error = user.as_ref().map(|user| {
            let name = escape(&String::from_utf8_lossy(user));
            let with = if field(body, "pma_password").is_some_and(|p| !p.is_empty()) { "YES" } else { "NO" };
            format!(
                "<div class=\"alert alert-danger\" role=\"alert\"><img src=\"themes/dot.gif\" title=\"\" alt=\"\" \
                 class=\"icon ic_s_error\"> Cannot log in to the MySQL server</div>\n<div class=\"alert alert-danger\" \
                 role=\"alert\"><img src=\"themes/dot.gif\" title=\"\" alt=\"\" class=\"icon ic_s_error\"> \
                 mysqli::real_connect(): (HY000/1045): Access denied for user '{name}'@'localhost' (using password: \
                 {with})</div>\n"
            )
        });
        let session = self.tokens.word(26);
        let token = self.tokens.hex(32);
        let shown = user.map(|u| escape(&String::from_utf8_lossy(&u))).unwrap_or_default();
        let page = form(&error.unwrap_or_default(), &shown, &session, &token);
        let old = request.text("cookie").is_some_and(|c| c.contains("phpMyAdmin="));
        let mut response = Response::app(200, HTML, page);
        if !old {
            response = response
                .with("Set-Cookie", format!("phpMyAdmin={session}; path={root}; HttpOnly; SameSite=Strict"))
                .with("Expires", "Thu, 19 Nov 1981 08:52:00 GMT")
                .with("Cache-Control", "no-store, no-cache, must-revalidate")
                .with("Pragma", "no-cache")
                .with(
                    "Set-Cookie",
                    format!(
                        "pma_lang=en; expires={}; Max-Age=2592000; path={root}; HttpOnly; SameSite=Strict",
                        month()
                    ),
                );
        }
        response
            .with("X-ob_mode", "1")
            .with("X-Frame-Options", "DENY")
            .with("Referrer-Policy", "no-referrer")
            .with("Content-Security-Policy", "default-src 'self' ;script-src 'self' 'unsafe-inline' 'unsafe-eval' ;style-src 'self' 'unsafe-inline' ;img-src 'self' data:  *.tile.openstreetmap.org;object-src 'none';")
            .with("X-XSS-Protection", "1; mode=block")
            .with("X-Content-Type-Options", "nosniff")
            .with("X-Permitted-Cross-Domain-Policies", "none")
            .with("X-Robots-Tag", "noindex, nofollow")
    }
}

/// A cookie date one month ahead.
fn month() -> String {
    let then = jiff::Timestamp::now().as_second().saturating_add(2_592_000);
    crate::decoy::http::response::http_date(then)
}

fn form(error: &str, user: &str, session: &str, token: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\" dir=\"ltr\">\n<head>\n  <meta charset=\"utf-8\">\n  <meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n  <meta name=\"referrer\" content=\"no-referrer\">\n  <meta \
         name=\"robots\" content=\"noindex,nofollow,notranslate\">\n  <link rel=\"icon\" href=\"favicon.ico\" \
         type=\"image/x-icon\">\n  <link rel=\"stylesheet\" type=\"text/css\" \
         href=\"./themes/pmahomme/css/theme.css?v={VERSION}\">\n  <title>phpMyAdmin</title>\n  <script data-cfasync=\"false\" \
         type=\"text/javascript\" src=\"js/dist/common.js?v={VERSION}\"></script>\n</head>\n<body id=loginform>\n<div \
         class=\"container\">\n<a href=\"./url.php?url=https%3A%2F%2Fwww.phpmyadmin.net%2F\" target=\"_blank\" \
         rel=\"noopener noreferrer\" class=\"logo\"><img src=\"./themes/pmahomme/img/logo_right.png\" id=\"imLogo\" \
         name=\"imLogo\" alt=\"phpMyAdmin\" border=\"0\"></a>\n<h1>Welcome to <bdo dir=\"ltr\" \
         lang=\"en\">phpMyAdmin</bdo></h1>\n{error}<form method=\"post\" id=\"login_form\" action=\"index.php?route=/\" \
         name=\"login_form\" class=\"disableAjax hide js-show\">\n<input type=\"hidden\" name=\"set_session\" \
         value=\"{session}\">\n<div class=\"card mb-4\">\n<div class=\"card-header\">Log in</div>\n<div \
         class=\"card-body\">\n<label for=\"input_username\">Username:</label>\n<input type=\"text\" \
         name=\"pma_username\" id=\"input_username\" value=\"{user}\" class=\"form-control\" autocomplete=\"username\" \
         spellcheck=\"false\" autofocus>\n<label for=\"input_password\">Password:</label>\n<input type=\"password\" \
         name=\"pma_password\" id=\"input_password\" value=\"\" class=\"form-control\" \
         autocomplete=\"current-password\">\n<input type=\"hidden\" name=\"server\" value=\"1\">\n</div>\n<div \
         class=\"card-footer\">\n<input class=\"btn btn-primary\" value=\"Log in\" type=\"submit\" \
         id=\"input_go\">\n<input type=\"hidden\" name=\"route\" value=\"/\"><input type=\"hidden\" name=\"lang\" \
         value=\"en\"><input type=\"hidden\" name=\"token\" value=\"{token}\">\n</div>\n</div>\n</form>\n</div>\n</body>\n\
         </html>\n"
    )
}
