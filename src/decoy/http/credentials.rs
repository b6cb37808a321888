//! Credentials in requests: `Authorization`, login forms, JSON bodies.

use base64::Engine as _;
use serde_json::Value;

use super::request::Request;
use crate::event::SecretKind;

/// Names of a user field in a form (DECNET's list).
const USERS: &[&str] = &[
    "username",
    "user",
    "email",
    "login",
    "userid",
    "account",
    "log",
    "user_login",
    "uname",
    "pma_username",
    "j_username",
];

/// Names of a secret field in a form (DECNET's list).
const SECRETS: &[&str] = &[
    "password",
    "pass",
    "pwd",
    "passwd",
    "passwort",
    "mot_de_passe",
    "user_password",
    "pma_password",
    "j_password",
];

/// Fields looked at in one form.
const FIELDS_MAX: usize = 64;

/// One login attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::decoy) struct Login {
    /// How: `basic`, `bearer`, `digest`, `form`, `json`, `xmlrpc`.
    pub(in crate::decoy) how: &'static str,
    /// Who.
    pub(in crate::decoy) user: Vec<u8>,
    /// The secret.
    pub(in crate::decoy) secret: Option<Vec<u8>>,
    /// What it is.
    pub(in crate::decoy) kind: SecretKind,
}

/// Every login attempt in a request; no more than one header's and one body's.
pub(in crate::decoy) fn logins(request: &Request, body: &[u8]) -> Vec<Login> {
    let header = request.header("authorization").and_then(authorization);
    let kind = request.text("content-type").unwrap_or_default().to_ascii_lowercase();
    let from_body = if kind.contains("json") {
        json(body)
    } else if kind.contains("xml") {
        xmlrpc(body)
    } else if request.is("POST") {
        form(body)
    } else {
        request.target.query.as_deref().and_then(form)
    };
    header.into_iter().chain(from_body).collect()
}

fn authorization(value: &[u8]) -> Option<Login> {
    let at = value.iter().position(|c| *c == b' ')?;
    let (scheme, rest) = (value.get(..at)?.to_ascii_lowercase(), value.get(at..)?.trim_ascii());
    match scheme.as_slice() {
        b"basic" => {
            let decoded = decode64(rest)?;
            let colon = decoded.iter().position(|c| *c == b':').unwrap_or(decoded.len());
            let secret = decoded.get(colon.saturating_add(1)..).map(<[u8]>::to_vec);
            let user = decoded.get(..colon)?.to_vec();
            Some(Login { how: "basic", user, secret, kind: SecretKind::Plaintext })
        }
        b"bearer" | b"token" => {
            let secret = Some(rest.to_vec());
            Some(Login { how: "bearer", user: Vec::new(), secret, kind: SecretKind::HttpBearer })
        }
        b"digest" => {
            let text = String::from_utf8_lossy(rest).into_owned();
            let user = parameter(&text, "username").unwrap_or_default().into_bytes();
            Some(Login { how: "digest", user, secret: Some(rest.to_vec()), kind: SecretKind::HttpDigest })
        }
        _ => None,
    }
}

pub(in crate::decoy) fn decode64(text: &[u8]) -> Option<Vec<u8>> {
    let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
    let end = text.iter().rposition(|c| *c != b'=').map_or(0, |at| at + 1);
    engine.decode(text.get(..end)?).ok()
}

/// A parameter of a `Digest` header.
fn parameter(text: &str, name: &str) -> Option<String> {
    text.split(',').find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// The first value of a field in an urlencoded form.
pub(in crate::decoy) fn field(body: &[u8], name: &str) -> Option<Vec<u8>> {
    fields(body).find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value)
}

fn fields(body: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    body.split(|c| *c == b'&').take(FIELDS_MAX).map(|pair| {
        let at = pair.iter().position(|c| *c == b'=').unwrap_or(pair.len());
        let value = pair.get(at.saturating_add(1)..).unwrap_or_default();
        (urldecode(pair.get(..at).unwrap_or_default()), urldecode(value))
    })
}

/// Decodes `+` and `%xx`; a `%` that stands for nothing stays.
pub(in crate::decoy) fn urldecode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = text.get(at) {
        let nibble = |i: usize| text.get(i).and_then(|d| char::from(*d).to_digit(16));
        match (c, nibble(at + 1), nibble(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            (c, ..) => out.push(*c),
        }
        at += 1;
    }
    out
}

fn form(body: &[u8]) -> Option<Login> {
    let (mut user, mut secret) = (None, None);
    for (key, value) in fields(body) {
        let key = String::from_utf8_lossy(&key).to_ascii_lowercase();
        if user.is_none() && USERS.contains(&key.as_str()) {
            user = Some(value);
        } else if secret.is_none() && SECRETS.contains(&key.as_str()) {
            secret = Some(value);
        }
    }
    secret.as_ref()?;
    Some(Login { how: "form", user: user.unwrap_or_default(), secret, kind: SecretKind::Plaintext })
}

fn json(body: &[u8]) -> Option<Login> {
    // serde_json bounds the depth; the body is already bounded in size.
    let Ok(Value::Object(map)) = serde_json::from_slice(body) else { return None };
    let find = |names: &[&str]| {
        let hit = |(k, v): (&String, &Value)| {
            let known = names.contains(&k.to_ascii_lowercase().as_str());
            if known { v.as_str().map(|s| s.as_bytes().to_vec()) } else { None }
        };
        map.iter().take(FIELDS_MAX).find_map(hit)
    };
    let secret = Some(find(SECRETS)?);
    Some(Login { how: "json", user: find(USERS).unwrap_or_default(), secret, kind: SecretKind::Plaintext })
}

/// The first two string parameters of a WordPress XML-RPC call are user and password, but for calls of the
/// `blogger` and `metaWeblog` kind, where a blog id comes before.
fn xmlrpc(body: &[u8]) -> Option<Login> {
    let text = String::from_utf8_lossy(body);
    let method = between(&text, "<methodName>", "</methodName>")?.trim().to_owned();
    if method.starts_with("system.list") || method.starts_with("pingback.") || method.starts_with("demo.") {
        return None;
    }
    let params = &text[text.find("<params>")?..];
    let mut strings = Vec::new();
    let mut rest = params;
    while let Some(at) = rest.find("<value>") {
        rest = rest.get(at + "<value>".len()..)?;
        let end = rest.find("</value>")?;
        let value = rest.get(..end)?.trim();
        let inner = between(value, "<string>", "</string>").unwrap_or(value);
        if !inner.contains('<') || value.starts_with("<string>") {
            strings.push(inner.to_owned());
        }
        rest = rest.get(end..)?;
        if strings.len() >= 8 {
            break;
        }
    }
    let skip = usize::from(!method.eq_ignore_ascii_case("wp.getUsersBlogs") && strings.len() > 2);
    let user = strings.get(skip)?.clone().into_bytes();
    let secret = Some(strings.get(skip + 1)?.clone().into_bytes());
    Some(Login { how: "xmlrpc", user, secret, kind: SecretKind::Plaintext })
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let start = text.find(from)?.checked_add(from.len())?;
    let rest = text.get(start..)?;
    rest.get(..rest.find(to)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoy::http::head::Header;

    fn request(method: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::default();
        request.line.method = method.as_bytes().to_vec();
        let header =
            |(n, v): &(&str, &str)| Header { name: n.as_bytes().to_vec(), value: v.as_bytes().to_vec() };
        request.headers = headers.iter().map(header).collect();
        request
    }

    fn one(method: &str, headers: &[(&str, &str)], body: &str) -> Option<(String, String, String)> {
        let text = |b: Vec<u8>| String::from_utf8_lossy(&b).into_owned();
        let found = logins(&request(method, headers), body.as_bytes());
        assert!(found.len() < 2);
        found.into_iter().next().map(|l| (l.how.into(), text(l.user), text(l.secret.unwrap_or_default())))
    }

    #[test]
    fn finds_credentials() {
        let want = |how: &str, user: &str, secret: &str| Some((how.into(), user.into(), secret.into()));
        let basic = [("Authorization", "Basic YWRtaW46YTpi")];
        assert_eq!(one("GET", &basic, ""), want("basic", "admin", "a:b"));
        assert_eq!(one("GET", &[("Authorization", "Bearer xyz")], ""), want("bearer", "", "xyz"));
        let digest = "username=\"bob\", realm=\"r\", response=\"00\"";
        let header = format!("Digest {digest}");
        assert_eq!(one("GET", &[("Authorization", &header)], ""), want("digest", "bob", digest));
        assert_eq!(one("POST", &[], "log=admin&pwd=p%40ss+1&x"), want("form", "admin", "p@ss 1"));
        let json = [("Content-Type", "application/json")];
        assert_eq!(one("POST", &json, r#"{"email":"a@b","password":"c"}"#), want("json", "a@b", "c"));
        assert_eq!(one("POST", &json, r#"{"email":1}"#), None);
        assert_eq!(one("POST", &[], "comment=hello"), None);
        assert_eq!(one("GET", &[("Authorization", "Basic !!!")], ""), None);
    }

    #[test]
    fn finds_xmlrpc_credentials() {
        let xml = [("Content-Type", "text/xml")];
        let call = |method: &str, values: &str| {
            format!("<methodCall><methodName>{method}</methodName><params>{values}</params></methodCall>")
        };
        let v = |s: &str| format!("<param><value><string>{s}</string></value></param>");
        let want = Some(("xmlrpc".to_owned(), "bob".to_owned(), "pw".to_owned()));
        assert_eq!(one("POST", &xml, &call("wp.getUsersBlogs", &(v("bob") + &v("pw")))), want);
        assert_eq!(one("POST", &xml, &call("wp.getPosts", &(v("1") + &v("bob") + &v("pw")))), want);
        assert_eq!(one("POST", &xml, &call("system.listMethods", "")), None);
    }
}
