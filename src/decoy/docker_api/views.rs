//! Things as the API shows them.

use serde_json::{Value, json};

use super::state::{Container, Image, State, hex_of};
use crate::model::Seed;

const ZERO: &str = "0001-01-01T00:00:00Z";

/// A time in nanoseconds since 1970, as Go writes it.
pub(super) fn time(nanos: i64) -> String {
    if nanos == 0 {
        return ZERO.to_owned();
    }
    let at = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%S%.fZ").to_string()
}

/// Four letters of an engine's old kind of identity.
pub(super) fn word(bytes: &[u8; 32]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    bytes.iter().take(4).map(|b| char::from(LETTERS[usize::from(b & 31)])).collect()
}

/// The new kind.
pub(super) fn uuid(bytes: &[u8; 32]) -> String {
    let hex = hex::encode(bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// How long ago, as `docker ps` says it.
fn ago(seconds: i64) -> String {
    let (minutes, hours) = ((seconds + 30) / 60, (seconds + 1800) / 3600);
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{minutes} minutes"),
        3600..7200 => "About an hour".to_owned(),
        7200..172_800 => format!("{hours} hours"),
        172_800..1_209_600 => format!("{} days", seconds / 86_400),
        1_209_600..5_184_000 => format!("{} weeks", seconds / 604_800),
        _ => format!("{} months", seconds / 2_592_000),
    }
}

/// `Up 3 days`, `Exited (0) 5 minutes ago`, `Created`.
fn status(container: &Container, now: i64) -> String {
    let since = |nanos: i64| now.saturating_sub(nanos.div_euclid(1_000_000_000));
    match container.status_word() {
        "created" => "Created".to_owned(),
        "running" => format!("Up {}", ago(since(container.started))),
        _ => format!("Exited ({}) {} ago", container.status, ago(since(container.finished))),
    }
}

fn command(container: &Container) -> String {
    let quote = |w: &String| if w.contains(' ') { format!("'{w}'") } else { w.clone() };
    container.command.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn mode(container: &Container) -> String {
    let mode = container.host.get("NetworkMode").and_then(Value::as_str).filter(|m| !m.is_empty());
    match mode {
        Some("default") | None => "bridge".to_owned(),
        Some(mode) => mode.to_owned(),
    }
}

fn attached(container: &Container, seed: &Seed) -> Value {
    let bridged = container.runs() && mode(container) == "bridge";
    let (gateway, address) = if bridged {
        ("172.17.0.1".to_owned(), format!("172.17.0.{}", container.address))
    } else {
        <_>::default()
    };
    let mac = if bridged { format!("02:42:ac:11:00:{:02x}", container.address) } else { String::new() };
    json!({"IPAMConfig": null, "Links": null, "Aliases": null, "NetworkID": hex_of(seed, &format!("network/{}", mode(container))),
        "EndpointID": if container.runs() { hex_of(seed, &format!("endpoint/{}", container.id)) } else { String::new() },
        "Gateway": gateway, "IPAddress": address, "IPPrefixLen": if bridged { 16 } else { 0 }, "IPv6Gateway": "",
        "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "MacAddress": mac, "DriverOpts": null})
}

/// A mount of the host's files: `source:destination[:mode]`.
fn mounts(container: &Container) -> Value {
    let binds = container.host.get("Binds").and_then(Value::as_array).cloned().unwrap_or_default();
    let mount = |bind: &Value| {
        let mut parts = bind.as_str()?.split(':');
        let (source, to) = (parts.next()?, parts.next()?);
        let mode = parts.next().unwrap_or("");
        Some(
            json!({"Type": "bind", "Source": source, "Destination": to, "Mode": mode, "RW": mode != "ro", "Propagation": "rprivate"}),
        )
    };
    Value::Array(binds.iter().take(16).filter_map(mount).collect())
}

/// An entry of `GET /containers/json`.
pub(super) fn summary(container: &Container, seed: &Seed, now: i64) -> Value {
    let ports: Vec<Value> = container
        .ports
        .iter()
        .filter(|_| container.runs())
        .map(|(public, private)| json!({"IP": "0.0.0.0", "PrivatePort": private, "PublicPort": public, "Type": "tcp"}))
        .collect();
    json!({"Id": container.id, "Names": [format!("/{}", container.name)], "Image": container.image,
        "ImageID": format!("sha256:{}", container.image_id), "Command": command(container),
        "Created": container.created.div_euclid(1_000_000_000), "Ports": ports, "Labels": container.labels,
        "State": container.status_word(), "Status": status(container, now), "HostConfig": {"NetworkMode": mode(container)},
        "NetworkSettings": {"Networks": {mode(container): attached(container, seed)}}, "Mounts": mounts(container)})
}

/// `GET /containers/ID/json`.
pub(super) fn details(container: &Container, seed: &Seed) -> Value {
    let (path, args) = container.command.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
    let pid = if container.runs() { 1000 + seed.number(&container.id, 30_000) } else { 0 };
    let root = format!("/var/lib/docker/containers/{}", container.id);
    let layer = hex_of(seed, &format!("layer/{}", container.id));
    let dir = |name: &str| format!("/var/lib/docker/overlay2/{layer}/{name}");
    json!({"Id": container.id, "Created": time(container.created), "Path": path, "Args": args,
        "State": {"Status": container.status_word(), "Running": container.runs(), "Paused": false, "Restarting": false,
            "OOMKilled": false, "Dead": false, "Pid": pid, "ExitCode": container.status, "Error": "",
            "StartedAt": time(container.started), "FinishedAt": time(container.finished)},
        "Image": format!("sha256:{}", container.image_id), "ResolvConfPath": format!("{root}/resolv.conf"),
        "HostnamePath": format!("{root}/hostname"), "HostsPath": format!("{root}/hosts"),
        "LogPath": format!("{root}/{}-json.log", container.id), "Name": format!("/{}", container.name), "RestartCount": 0,
        "Driver": "overlay2", "Platform": "linux", "MountLabel": "", "ProcessLabel": "", "AppArmorProfile": "docker-default",
        "ExecIDs": null, "HostConfig": container.host,
        "GraphDriver": {"Data": {"LowerDir": dir("diff1"), "MergedDir": dir("merged"), "UpperDir": dir("diff"), "WorkDir": dir("work")}, "Name": "overlay2"},
        "Mounts": mounts(container),
        "Config": {"Hostname": container.id.get(..12).unwrap_or_default(), "Domainname": "", "User": "", "AttachStdin": container.stdin,
            "AttachStdout": true, "AttachStderr": true, "Tty": container.tty, "OpenStdin": container.stdin, "StdinOnce": container.stdin,
            "Env": container.env, "Cmd": container.command, "Image": container.image, "Volumes": null, "WorkingDir": "",
            "Entrypoint": null, "OnBuild": null, "Labels": container.labels},
        "NetworkSettings": {"Bridge": "", "SandboxID": "", "HairpinMode": false, "Ports": {}, "SandboxKey": "",
            "Networks": {mode(container): attached(container, seed)}}})
}

/// An entry of `GET /images/json`.
pub(super) fn image(image: &Image) -> Value {
    let repository = image.name.rsplit_once(':').map_or(image.name.as_str(), |(r, _)| r);
    json!({"Containers": -1, "Created": image.created, "Id": format!("sha256:{}", image.id), "Labels": null, "ParentId": "",
        "RepoDigests": [format!("{repository}@sha256:{}", image.digest)], "RepoTags": [image.name], "SharedSize": -1,
        "Size": image.size, "VirtualSize": image.size})
}

/// `GET /images/NAME/json`.
pub(super) fn image_details(image: &Image) -> Value {
    let repository = image.name.rsplit_once(':').map_or(image.name.as_str(), |(r, _)| r);
    json!({"Id": format!("sha256:{}", image.id), "RepoTags": [image.name],
        "RepoDigests": [format!("{repository}@sha256:{}", image.digest)], "Parent": "", "Comment": "",
        "Created": time(image.created.saturating_mul(1_000_000_000)), "DockerVersion": "", "Author": "",
        "Config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["/bin/sh"], "WorkingDir": "", "Entrypoint": null, "Labels": null},
        "Architecture": "amd64", "Os": "linux", "Size": image.size, "VirtualSize": image.size,
        "RootFS": {"Type": "layers", "Layers": [format!("sha256:{}", image.digest)]}, "Metadata": {"LastTagTime": ZERO}})
}

/// One of the three networks that always are there.
pub(super) fn network(seed: &Seed, name: &str, created: &str) -> Value {
    let driver = if name == "none" { "null" } else { name };
    let (config, options) = match name {
        "bridge" => (
            json!([{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]),
            json!({"com.docker.network.bridge.default_bridge": "true", "com.docker.network.bridge.enable_icc": "true",
                "com.docker.network.bridge.enable_ip_masquerade": "true", "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
                "com.docker.network.bridge.name": "docker0", "com.docker.network.driver.mtu": "1500"}),
        ),
        _ => (json!([]), json!({})),
    };
    json!({"Name": name, "Id": hex_of(seed, &format!("network/{name}")), "Created": created, "Scope": "local", "Driver": driver,
        "EnableIPv6": false, "IPAM": {"Driver": "default", "Options": null, "Config": config}, "Internal": false, "Attachable": false,
        "Ingress": false, "ConfigFrom": {"Network": ""}, "ConfigOnly": false, "Containers": {}, "Options": options, "Labels": {}})
}

/// A volume.
pub(super) fn volume(name: &str) -> Value {
    json!({"CreatedAt": time(0), "Driver": "local", "Labels": null, "Mountpoint": format!("/var/lib/docker/volumes/{name}/_data"),
        "Name": name, "Options": null, "Scope": "local"})
}

/// `GET /system/df`.
pub(super) fn usage(state: &State) -> Value {
    let total = state.images.iter().fold(0u64, |sum, i| sum.saturating_add(i.size));
    let images: Vec<Value> = state.images.iter().map(image).collect();
    json!({"LayersSize": total, "Images": images, "Containers": [], "Volumes": [], "BuildCache": null, "BuilderSize": 0})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_know_them() {
        assert_eq!(time(0), ZERO);
        assert_eq!(time(1_795_820_288_926_864_301), "2026-11-27T22:58:08.926864301Z");
        for (seconds, text) in [
            (0, "Less than a second"),
            (45, "45 seconds"),
            (90, "About a minute"),
            (600, "10 minutes"),
            (200_000, "2 days"),
            (1_300_000, "2 weeks"),
        ] {
            assert_eq!(ago(seconds), text);
        }
        assert_eq!(word(&[0; 32]), "AAAA");
        assert_eq!(uuid(&[0x11; 32]).len(), 36);
    }
}
