//! Jenkins with security on: everything leads to the login form.

use super::{Tokens, origin, query_encode};
use crate::decoy::http::request::Request;
use crate::decoy::http::response::Response;
use crate::model::Persona;

const VERSION: &str = "2.462.3";
const HTML: &str = "text/html;charset=utf-8";

/// One installation.
pub(in crate::decoy::http) struct Jenkins {
    tokens: Tokens,
    /// Session id of the running instance.
    instance: String,
    /// Suffix of the session cookie, made when it was installed.
    cookie: String,
}

impl Jenkins {
    pub(super) fn new(persona: &Persona) -> Self {
        let hex = |label: &str| hex::encode(&persona.seed.derive(label)[..4]);
        Self {
            tokens: Tokens::new(&persona.seed),
            instance: hex("http/jenkins/session"),
            cookie: hex("http/jenkins/cookie"),
        }
    }

    /// Its answer.
    pub(super) fn respond(&self, request: &Request) -> Option<Response> {
        let path = request.path();
        Some(match path.as_str() {
            "/login" => self.common(Response::app(200, HTML, form(false)), true),
            "/loginError" => self.common(Response::app(401, HTML, form(true)), true),
            "/j_spring_security_check" | "/j_acegi_security_check" if request.is("POST") => {
                let there = format!("{}/loginError", origin(request));
                self.plain(Response::redirect(302, there, HTML), true)
            }
            "/j_spring_security_check" | "/j_acegi_security_check" => return None,
            "/robots.txt" => self.plain(
                Response::app(
                    200,
                    "text/plain",
                    "# we don't want robots to click \"build\" links\nUser-agent: *\nDisallow: /\n",
                ),
                false,
            ),
            "/favicon.ico" => return None,
            "/logout" => self.plain(Response::redirect(302, format!("{}/", origin(request)), HTML), true),
            _ => self.forbidden(request),
        })
    }

    fn plain(&self, response: Response, session: bool) -> Response {
        let response = response.with("X-Content-Type-Options", "nosniff");
        if !session {
            return response;
        }
        let id = format!("node0{}.node0", self.tokens.word(26));
        response
            .with("Set-Cookie", format!("JSESSIONID.{}={id}; Path=/; HttpOnly", self.cookie))
            .with("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
    }

    fn common(&self, response: Response, session: bool) -> Response {
        self.plain(response, session)
            .with("Cache-Control", "no-cache,no-store,must-revalidate")
            .with("X-Hudson-Theme", "default")
            .with("Referrer-Policy", "same-origin")
            .with("Cross-Origin-Opener-Policy", "same-origin")
            .with("X-Hudson", "1.395")
            .with("X-Jenkins", VERSION)
            .with("X-Jenkins-Session", self.instance.clone())
            .with("X-Frame-Options", "sameorigin")
    }

    fn forbidden(&self, request: &Request) -> Response {
        let from = query_encode(&request.target.path);
        let to = format!("/login?from={from}");
        let body = format!(
            "<html><head><meta http-equiv='refresh' content='1;url={to}'/><script id='redirect' \
             data-redirect-url='{to}' src='/static/{}/scripts/redirect.js'></script></head><body \
             style='background-color:white; color:white;'>\nAuthentication required\n<!--\n-->\n\n</body></html>",
            self.instance
        );
        self.plain(Response::app(403, HTML, body), true)
            .with("X-Hudson", "1.395")
            .with("X-Jenkins", VERSION)
            .with("X-Jenkins-Session", self.instance.clone())
    }
}

fn form(failed: bool) -> String {
    let error = if failed {
        "<div class=\"app-sign-in-register__error\">Invalid username or password</div>"
    } else {
        ""
    };
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head resURL=\"/static/a\" data-rooturl=\"\" data-resurl=\"/static/a\"><title>Sign \
         in [Jenkins]</title><meta name=\"ROBOTS\" content=\"NOFOLLOW\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"></head><body><div class=\"app-sign-in-register\"><main \
         class=\"app-sign-in-register__content\"><h1>Sign in to Jenkins</h1>{error}<form method=\"post\" name=\"login\" \
         action=\"j_spring_security_check\"><div><label for=\"j_username\">Username</label><input autocorrect=\"off\" \
         autocomplete=\"off\" name=\"j_username\" id=\"j_username\" type=\"text\" autofocus=\"autofocus\" \
         class=\"jenkins-input normal\" autocapitalize=\"off\" aria-label=\"Username\"></div><div><label \
         for=\"j_password\">Password</label><input name=\"j_password\" id=\"j_password\" type=\"password\" \
         class=\"jenkins-input normal\" aria-label=\"Password\"></div><div class=\"jenkins-checkbox\"><input \
         type=\"checkbox\" id=\"remember_me\" name=\"remember_me\"><label for=\"remember_me\">Keep me signed \
         in</label></div><input name=\"from\" type=\"hidden\"><button type=\"submit\" name=\"Submit\" \
         class=\"jenkins-button jenkins-button--primary\">Sign in</button></form></main></div></body></html>"
    )
}
