//! The small cluster behind the open port: made up once, the same for everybody.

use base64::Engine as _;
use serde_json::{Value, json};

use super::discovery::RESOURCES;
use super::objects::{suffix, time, uid};
use super::profile::Profile;
use super::{Place, Refusal};
use crate::decoy::vfs::Machine;
use crate::model::{Persona, Seed};

/// Kind, namespace and the object.
struct Item(&'static str, String, Value);

/// Everything there is.
pub(super) struct Cluster {
    items: Vec<Item>,
}

/// Name, image and port of what people run.
const APPS: &[(&str, &str, u16)] = &[
    ("frontend", "registry.internal/shop/frontend:2.14.1", 8080),
    ("backend-api", "registry.internal/shop/api:5.3.0", 3000),
    ("billing", "registry.internal/finance/billing:1.9.2", 8443),
    ("redis", "redis:7.2", 6379),
    ("postgres", "postgres:16.4", 5432),
    ("worker", "registry.internal/shop/worker:5.3.0", 9000),
];

/// What kubeadm puts into `kube-system`: name and image; the version of the cluster where it is blank.
const SYSTEM: &[(&str, &str)] = &[
    ("etcd", "registry.k8s.io/etcd:3.5.15-0"),
    ("kube-apiserver", ""),
    ("kube-controller-manager", ""),
    ("kube-scheduler", ""),
];

struct Maker<'a> {
    persona: &'a Persona,
    /// What the kubelet makes of the host's name.
    node: String,
    seed: Seed,
    items: Vec<Item>,
}

impl Maker<'_> {
    fn metadata(&self, kind: &str, namespace: &str, name: &str) -> Value {
        let label = format!("{kind}/{namespace}/{name}");
        // What kubeadm makes comes within a minute, the rest in the weeks after it.
        let own = namespace.starts_with("kube-") || (namespace != "production" && name != "production");
        let after = i64::try_from(self.seed.number(&label, if own { 60 } else { 40 * 86_400 })).unwrap_or(0);
        let mut metadata = json!({"name": name});
        if !namespace.is_empty() {
            metadata["namespace"] = namespace.into();
        }
        metadata["uid"] = uid(&self.seed, &label).into();
        metadata["resourceVersion"] =
            (300 + self.seed.number(&format!("rv/{label}"), 400_000)).to_string().into();
        metadata["creationTimestamp"] =
            time(self.persona.born.saturating_add(3600).saturating_add(after)).into();
        metadata
    }

    fn add(&mut self, kind: &'static str, namespace: &str, name: &str, mut rest: Value) {
        let metadata = self.metadata(kind, namespace, name);
        let mut object = json!({"metadata": metadata});
        if let (Some(object), Some(rest)) = (object.as_object_mut(), rest.as_object_mut()) {
            object.append(rest);
        }
        self.items.push(Item(kind, namespace.to_owned(), object));
    }

    fn pod(&mut self, namespace: &str, name: &str, image: &str, address: u8, host: bool) {
        let node = self.node.clone();
        let host_ip = self.persona.ip.to_string();
        let ip = if host { host_ip.clone() } else { format!("10.244.0.{address}") };
        let short = name.split('-').next().unwrap_or(name);
        self.add("pods", namespace, name, json!({
            "spec": {"containers": [{"name": short, "image": image, "imagePullPolicy": "IfNotPresent", "resources": {}}], "restartPolicy": "Always",
                "nodeName": node, "serviceAccountName": "default", "hostNetwork": host},
            "status": {"phase": "Running", "hostIP": host_ip, "podIP": ip, "containerStatuses": [{"name": short, "ready": true, "restartCount": 1 + self.seed.number(&format!("restarts/{name}"), 9), "image": image,
                "state": {"running": {"startedAt": time(self.persona.born.saturating_add(90_000))}}}]}}));
    }
}

impl Cluster {
    /// Makes it up.
    pub(super) fn new(persona: &Persona, profile: &Profile) -> Self {
        let seed = persona.seed.child("k8s");
        let node = persona.hostname.to_lowercase();
        let mut make = Maker { persona, node: node.clone(), seed: seed.clone(), items: Vec::new() };
        let version = &profile.version;
        let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let word = |label: &str, length: usize| {
            hex::encode(seed.derive(label)).chars().take(length).collect::<String>()
        };
        for name in ["default", "kube-node-lease", "kube-public", "kube-system", "production"] {
            make.add(
                "namespaces",
                "",
                name,
                json!({"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}),
            );
            make.add("serviceaccounts", name, "default", json!({}));
            make.add(
                "configmaps",
                name,
                "kube-root-ca.crt",
                json!({"data": {"ca.crt": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"}}),
            );
        }
        let machine = Machine::new(persona);
        let memory = format!("{}Ki", machine.memory_kib);
        make.add("nodes", "", &node, json!({"spec": {"podCIDR": "10.244.0.0/24"},
            "status": {"capacity": {"cpu": machine.cpus.to_string(), "memory": memory, "pods": "110"},
                "addresses": [{"type": "InternalIP", "address": persona.ip.to_string()}, {"type": "Hostname", "address": node}],
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}],
                "nodeInfo": {"kernelVersion": machine.distro.kernel, "osImage": machine.distro.pretty, "containerRuntimeVersion": "containerd://1.7.28",
                    "kubeletVersion": version, "kubeProxyVersion": version, "operatingSystem": "linux", "architecture": "amd64"}}}));
        for (name, image) in SYSTEM {
            let image = if image.is_empty() {
                format!("registry.k8s.io/{name}:{version}")
            } else {
                (*image).to_owned()
            };
            make.pod("kube-system", &format!("{name}-{node}"), &image, 0, true);
        }
        let proxy = format!("kube-proxy-{}", suffix(&seed, "kube-proxy", 5));
        make.pod("kube-system", &proxy, &format!("registry.k8s.io/kube-proxy:{version}"), 0, true);
        let dns = format!("coredns-{}-{}", suffix(&seed, "coredns/set", 9), suffix(&seed, "coredns/pod", 5));
        make.pod("kube-system", &dns, "registry.k8s.io/coredns/coredns:v1.11.3", 3, false);
        let service = |ip: &str, port: u16| json!({"spec": {"ports": [{"port": port, "protocol": "TCP", "targetPort": port}], "clusterIP": ip, "clusterIPs": [ip], "type": "ClusterIP", "sessionAffinity": "None"}, "status": {"loadBalancer": {}}});
        make.add("services", "default", "kubernetes", service("10.96.0.1", 443));
        make.add("services", "kube-system", "kube-dns", service("10.96.0.10", 53));
        let count = 3 + seed.number("apps", 3);
        for (at, (name, image, port)) in APPS.iter().enumerate().take(usize::try_from(count).unwrap_or(3)) {
            let last = u8::try_from(10 + at).unwrap_or(10);
            let pod = format!(
                "{name}-{}-{}",
                suffix(&seed, &format!("{name}/set"), 9),
                suffix(&seed, &format!("{name}/pod"), 5)
            );
            make.pod("production", &pod, image, last, false);
            make.add("services", "production", name, service(&format!("10.96.{}.{last}", 40 + at), *port));
            make.add("deployments", "production", name, json!({"spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": name, "image": image}]}}},
                "status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1}}));
        }
        make.add("secrets", "production", "db-credentials", json!({"data": {"username": base64("shop"), "password": base64(&word("db", 20)), "host": base64("postgres.production.svc")}, "type": "Opaque"}));
        make.add("secrets", "production", "registry-pull", json!({"data": {".dockerconfigjson": base64(&format!(
            "{{\"auths\":{{\"registry.internal\":{{\"username\":\"ci\",\"password\":\"{}\"}}}}}}", word("registry", 24)))}, "type": "kubernetes.io/dockerconfigjson"}));
        let token = word("bootstrap", 22);
        let (id, secret) = (token.get(..6).unwrap_or_default(), token.get(6..).unwrap_or_default());
        make.add("secrets", "kube-system", &format!("bootstrap-token-{id}"), json!({"data": {"token-id": base64(id), "token-secret": base64(secret)}, "type": "bootstrap.kubernetes.io/token"}));
        Self { items: make.items }
    }

    /// What a path names: a list, an object, or nothing of that name; none when there is no such resource.
    pub(super) fn find(&self, place: &Place<'_>, seed: &Seed) -> Option<Result<Value, Refusal>> {
        let (group, plural, _, kind, ..) =
            RESOURCES.iter().find(|r| r.1 == place.resource && r.0 == place.group)?;
        let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        // A namespace is both the place and the thing.
        let within = if *plural == "namespaces" { "" } else { place.namespace };
        let mine = self.items.iter().filter(|i| i.0 == *plural && (within.is_empty() || i.1 == within));
        if place.name.is_empty() {
            let items: Vec<&Value> = mine.map(|i| &i.2).collect();
            return Some(Ok(json!({"kind": format!("{kind}List"), "apiVersion": version,
                "metadata": {"resourceVersion": (412_000 + seed.number("rv", 9000)).to_string()}, "items": items})));
        }
        let named = |i: &&Item| i.2.pointer("/metadata/name").and_then(Value::as_str) == Some(place.name);
        Some(match mine.into_iter().find(named) {
            Some(item) => {
                let mut object = json!({"kind": kind, "apiVersion": version});
                if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), &item.2) {
                    object.extend(rest.clone());
                }
                Ok(object)
            }
            None => {
                let full = if group.is_empty() { (*plural).to_owned() } else { format!("{plural}.{group}") };
                let refusal = Refusal::new(404, "NotFound", format!("{full} \"{}\" not found", place.name));
                Err(Refusal { details: json!({"name": place.name, "kind": plural}), ..refusal })
            }
        })
    }
}
