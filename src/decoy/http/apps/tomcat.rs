//! Tomcat as installed: its front page, its manager behind Basic authentication.

use crate::decoy::http::request::Request;
use crate::decoy::http::response::Response;

/// The version it claims.
pub(in crate::decoy::http) const VERSION: &str = "9.0.107";

const HTML: &str = "text/html;charset=UTF-8";

/// The server's own web applications.
pub(in crate::decoy::http) struct Tomcat;

impl Tomcat {
    /// Its answer; none where the path names nothing.
    pub(super) fn respond(&self, request: &Request) -> Option<Response> {
        let path = request.path();
        let method = request.method();
        if !matches!(method.as_str(), "GET" | "HEAD" | "POST" | "OPTIONS") {
            return Some(Response::page(if method == "PUT" || method == "DELETE" { 405 } else { 501 }));
        }
        if method == "OPTIONS" {
            return Some(Response::app(200, HTML, "").allowing("GET, HEAD, POST, OPTIONS"));
        }
        match path.as_str() {
            "/" | "/index.jsp" => Some(Response::app(200, HTML, front())),
            "/manager" | "/host-manager" | "/docs" | "/examples" => {
                Some(Response::redirect(302, format!("{path}/"), HTML))
            }
            "/manager/" | "/host-manager/" => Some(Response::redirect(302, format!("{path}html"), HTML)),
            "/docs/" | "/docs/index.html" => Some(Response::app(200, "text/html", docs())),
            "/examples/" | "/examples/index.html" => Some(Response::app(200, "text/html", examples())),
            _ if path.starts_with("/manager/") => Some(locked("Tomcat Manager Application")),
            _ if path.starts_with("/host-manager/") => Some(locked("Tomcat Host Manager Application")),
            _ => None,
        }
    }
}

fn locked(realm: &str) -> Response {
    let role = if realm.contains("Host") { "admin-gui" } else { "manager-gui" };
    let body = format!(
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01 Transitional//EN\" \
         \"http://www.w3.org/TR/html4/strict.dtd\">\n<html>\n <head>\n  <title>401 Unauthorized</title>\n  <style \
         type=\"text/css\">\n    <!--\n    BODY {{font-family:Tahoma,Arial,sans-serif;color:black;background-color:white;\
         font-size:12px;}}\n    H1 {{font-family:Tahoma,Arial,sans-serif;color:white;background-color:#525D76;\
         font-size:22px;}}\n    -->\n  </style>\n </head>\n <body>\n   <h1>401 Unauthorized</h1>\n   <p>You may not see \
         this page. Users and their roles are in <tt>conf/tomcat-users.xml</tt> of this installation; that file must \
         hold the credentials to use this web application.</p>\n   <p>An account for it needs the role \
         <tt>{role}</tt>:</p>\n<pre>\n&lt;role rolename=\"{role}\"/&gt;\n&lt;user username=\"...\" password=\"...\" \
         roles=\"{role}\"/&gt;\n</pre>\n </body>\n\n</html>\n"
    );
    Response::app(401, "text/html;charset=UTF-8", body)
        .with("Cache-Control", "private")
        .with("WWW-Authenticate", format!("Basic realm=\"{realm}\", charset=\"UTF-8\""))
}

fn front() -> String {
    let links = [
        ("/manager/status", "Server Status"),
        ("/manager/html", "Manager App"),
        ("/host-manager/html", "Host Manager"),
    ];
    let buttons: String = links
        .iter()
        .map(|(href, text)| {
            format!(
                "                    <div class=\"button\">\n                        <a class=\"container shadow\" \
                 href=\"{href}\"><span>{text}</span></a>\n                    </div>\n"
            )
        })
        .collect();
    format!(
        "\n\n\n<!DOCTYPE html>\n<html lang=\"en\">\n    <head>\n        <meta charset=\"UTF-8\" />\n        \
         <title>Apache Tomcat/{VERSION}</title>\n        <link href=\"favicon.ico\" rel=\"icon\" type=\"image/x-icon\" \
         />\n        <link href=\"tomcat.css\" rel=\"stylesheet\" type=\"text/css\" />\n    </head>\n\n    <body>\n        \
         <div id=\"wrapper\">\n            <div id=\"navigation\" class=\"curved container\">\n                <span \
         id=\"nav-home\"><a href=\"https://tomcat.apache.org/\">Home</a></span>\n                <span \
         id=\"nav-docs\"><a href=\"/docs/\">Documentation</a></span>\n                <span id=\"nav-examples\"><a \
         href=\"/examples/\">Examples</a></span>\n            </div>\n            <div id=\"asf-box\">\n                \
         <h1>Apache Tomcat/{VERSION}</h1>\n            </div>\n            <div id=\"upper\" class=\"curved \
         container\">\n                <div id=\"congrats\" class=\"curved container\">\n                    <h2>Tomcat \
         is installed and runs. Congratulations!</h2>\n                </div>\n                <div \
         id=\"actions\">\n{buttons}                </div>\n            </div>\n            <div id=\"middle\" \
         class=\"curved container\">\n                <h3>Managing Tomcat</h3>\n                <p>Access to the <a \
         href=\"/manager/html\">manager webapp</a> is restricted; users are defined in:</p>\n                \
         <pre>$CATALINA_HOME/conf/tomcat-users.xml</pre>\n            </div>\n            <p class=\"copyright\">Apache \
         Software Foundation</p>\n        </div>\n    </body>\n\n</html>\n"
    )
}

fn docs() -> String {
    format!(
        "<!DOCTYPE html SYSTEM \"about:legacy-compat\">\n<html lang=\"en\"><head><title>Apache Tomcat 9 ({VERSION}) - \
         Documentation Index</title></head><body><h1>Apache Tomcat 9</h1><h2>Documentation Index</h2><ul><li>User \
         Guide</li><li>Reference</li><li>Apache Tomcat Development</li></ul></body></html>\n"
    )
}

fn examples() -> String {
    "<!DOCTYPE HTML><html lang=\"en\"><head><meta charset=\"UTF-8\"/><title>Apache Tomcat Examples</title></head>\n\
     <body>\n<h3>Apache Tomcat Examples</h3>\n<ul>\n<li><a href=\"servlets\">Servlets examples</a></li>\n<li><a \
     href=\"jsp\">JSP Examples</a></li>\n<li><a href=\"websocket/index.xhtml\">WebSocket Examples</a></li>\n</ul>\n\
     </body></html>\n"
        .to_owned()
}
