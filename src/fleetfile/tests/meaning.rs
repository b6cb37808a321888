//! What a file means: sections, expansion, groups, settings.

use serde_json::json;

use super::{clean, codes, names, read};
use crate::model::Conversation;
use crate::model::{Driver, Probing};

#[test]
fn general_is_read_in_full() {
    let text = "[general]\nnet = 127.77.3.9/16\ndriver = loopback\ninterface = lo\nport_offset = 10_000\n\
                log_target = tcp://log.lan:601\nhost_access = Yes\nprobe = full\nmutate_interval = 30\n[a]\nservices=ssh\n";
    let general = clean(text).spec.general;
    assert_eq!(general.subnet.unwrap().to_string(), "127.77.0.0/16");
    assert_eq!(general.driver, Some(Driver::Loopback));
    assert_eq!(general.interface.as_deref(), Some("lo"));
    assert_eq!(general.port_offset, Some(10_000));
    assert_eq!(general.log_target.unwrap().to_string(), "tcp://log.lan:601");
    assert_eq!(general.host_access, Some(true));
    assert_eq!(general.probe, Some(Probing::Full));
    assert_eq!(general.mutate_interval, Some(30));
    assert_eq!(general.gateway, None);
}

#[test]
fn a_decky_is_read_in_full() {
    let text = "\n[a]\nip=10.0.0.5\nservices = ssh, http\narchetype=linux-server\nnmap_os=bsd\ndistro=arch\n\
                hostname=SRV-x.lan\nmac=52:54:00:AB:cd:01\nmutate_interval=+1_5\n";
    let loaded = clean(text);
    let decky = &loaded.spec.deckies[0];
    assert_eq!(decky.ip.unwrap().to_string(), "10.0.0.5");
    assert_eq!(decky.services.as_deref().unwrap(), ["ssh", "http"]);
    assert_eq!(decky.archetype.as_deref(), Some("linux-server"));
    assert_eq!(decky.nmap_os.as_deref(), Some("bsd"));
    assert_eq!(decky.distro.as_deref(), Some("arch"));
    assert_eq!(decky.hostname.as_deref(), Some("SRV-x.lan"));
    assert_eq!(decky.mac.unwrap().to_string(), "52:54:00:ab:cd:01");
    assert_eq!(decky.mutate_interval, Some(15));
    assert_eq!((decky.origin.file.as_str(), decky.origin.line, decky.origin.ip_line), ("fleet.ini", 2, 3));
}

#[test]
fn amount_expands_with_two_digits() {
    assert_eq!(names(&clean("[w]\nservices=ssh\namount=1\n")), ["w"]);
    assert_eq!(names(&clean("[w]\nservices=ssh\namount=+2\n")), ["w-01", "w-02"]);
    let loaded = clean("[w]\nservices=ssh\namount=1_00\n");
    assert_eq!(loaded.spec.deckies.len(), 100);
    assert_eq!((names(&loaded)[8], names(&loaded)[99]), ("w-09", "w-100"));
    assert!(loaded.spec.deckies.iter().all(|d| d.origin.line == 1));
    let long = "n".repeat(126);
    assert_eq!(codes(&read(&format!("[{long}]\nservices=ssh\namount=2\n"))), ["bad-name"]);
    assert_eq!(names(&clean(&format!("[{long}]\nservices=ssh\n"))), [long]);
}

#[test]
fn a_group_reaches_its_members_only_and_a_member_may_differ() {
    let text = "[web-01.ssh]\npassword=own\n[web]\namount=2\nservices=ssh\n[web.ssh]\npassword=group\nuser=u\n\
                [web-admin]\nservices=ssh\n";
    let loaded = clean(text);
    let config = |n: usize| serde_json::to_value(&loaded.spec.deckies[n].service_config).unwrap();
    assert_eq!(names(&loaded), ["web-01", "web-02", "web-admin"]);
    assert_eq!(config(0), json!({"ssh": {"password": "own"}}));
    assert_eq!(config(1), json!({"ssh": {"password": "group", "user": "u"}}));
    assert_eq!(config(2), json!({}));
}

#[test]
fn settings_come_in_their_types() {
    let text = "[a]\nservices=http,rdp,redis\n[a.http]\nresponse_code = 4_04\nhttp_versions = http/2,http/1.1\n\
                extra_headers = {\"X-A\": \"b\"}\n[a.rdp]\nnla=false\n[a.redis]\nversion=7.0\n";
    let config = &clean(text).spec.deckies[0].service_config;
    assert_eq!(
        serde_json::to_value(config).unwrap(),
        json!({
            "http": {"response_code": 404, "http_versions": ["http/2", "http/1.1"], "extra_headers": "{\"X-A\": \"b\"}"},
            "rdp": {"nla": false},
            "redis": {"version": "7.0"},
        })
    );
}

#[test]
fn a_blank_text_setting_is_kept_and_unknown_ones_too() {
    let loaded = read("[a]\nservices=ssh\n[a.ssh]\nuser=\nkernel_version=5.1\n");
    assert_eq!(codes(&loaded), ["unknown-key"]);
    let config = serde_json::to_value(&loaded.spec.deckies[0].service_config).unwrap();
    assert_eq!(config, json!({"ssh": {"user": "", "kernel_version": "5.1"}}));
}

#[test]
fn defaults_reach_what_knows_them() {
    let text = "[DEFAULT]\nservices=ssh\npassword=all\nhostname=box\nmutate_interval=5\n\
                [general]\n[a]\n[b]\namount=2\n[a.ssh]\nuser=u\n[b.ssh]\npassword=own\n";
    let spec = clean(text).spec;
    assert_eq!(spec.general.mutate_interval, Some(5));
    assert_eq!(spec.deckies.len(), 3);
    // A default host name is for subsections: no two deckies could share it.
    assert!(spec.deckies.iter().all(|d| d.hostname.is_none() && d.mutate_interval == Some(5)));
    let config = |n: usize| serde_json::to_value(&spec.deckies[n].service_config["ssh"]).unwrap();
    assert_eq!(config(0), json!({"user": "u", "password": "all", "hostname": "box"}));
    assert_eq!(config(1), json!({"password": "own", "hostname": "box"}));
}

#[test]
fn dotted_names_are_deckies_unless_they_end_in_a_service() {
    let loaded = clean(
        "[a.webmail]\nservices=http\n[a.webmail.http]\nserver_header=x\n[b.example.com]\nservices=ssh\n",
    );
    assert_eq!(names(&loaded), ["a.webmail", "b.example.com"]);
    assert_eq!(loaded.spec.deckies[0].service_config["http"]["server_header"], "x");
}

#[test]
fn customs_are_known_before_they_are_defined() {
    let text = "[a]\nservices=ssh,my-app\n[a.my-app]\nmode=x\n[custom-my-app]\nbinary = r.example/app:1\n\
                exec = /bin/app  --port 1\nports = 8080, 9090\n";
    let loaded = clean(text);
    let custom = &loaded.spec.customs[0];
    assert_eq!((custom.slug.as_str(), custom.binary.as_str()), ("my-app", "r.example/app:1"));
    assert_eq!(custom.exec, ["/bin/app", "--port", "1"]);
    assert_eq!(custom.ports, [8080, 9090]);
    assert_eq!(names(&loaded), ["a"]);
    assert_eq!(loaded.spec.deckies[0].service_config["my-app"]["mode"], "x");
}

#[test]
fn the_conversation_in_the_readme_is_one() {
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once("### A service of your own\n\n```ini\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let custom = clean(text).spec.customs.remove(0);
    assert_eq!((custom.unplayable(), custom.talk.answers.len(), custom.talk.timeout), (None, 6, Some(60)));
    let talk = Conversation::of(&custom).unwrap();
    let heard = talk.line("pass", b"4711").unwrap();
    assert!(heard.accepted && heard.reply.go.as_deref() == Some("in"));
    assert_eq!(talk.line("", b"kim").unwrap().rule, 5);
}
