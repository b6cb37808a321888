//! What the API says of itself: versions, groups, resources.

use serde_json::{Value, json};

use crate::model::Persona;

/// Paths of the root, the usual ones.
pub(super) const PATHS: &[&str] = &[
    "/.well-known/openid-configuration",
    "/api",
    "/api/v1",
    "/apis",
    "/apis/",
    "/apis/admissionregistration.k8s.io",
    "/apis/admissionregistration.k8s.io/v1",
    "/apis/apiextensions.k8s.io",
    "/apis/apiextensions.k8s.io/v1",
    "/apis/apiregistration.k8s.io",
    "/apis/apiregistration.k8s.io/v1",
    "/apis/apps",
    "/apis/apps/v1",
    "/apis/authentication.k8s.io",
    "/apis/authentication.k8s.io/v1",
    "/apis/authorization.k8s.io",
    "/apis/authorization.k8s.io/v1",
    "/apis/autoscaling",
    "/apis/autoscaling/v2",
    "/apis/batch",
    "/apis/batch/v1",
    "/apis/networking.k8s.io",
    "/apis/networking.k8s.io/v1",
    "/apis/policy",
    "/apis/policy/v1",
    "/apis/rbac.authorization.k8s.io",
    "/apis/rbac.authorization.k8s.io/v1",
    "/apis/storage.k8s.io",
    "/apis/storage.k8s.io/v1",
    "/healthz",
    "/livez",
    "/logs",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/readyz",
    "/version",
];

const GROUPS: &[(&str, &str)] = &[
    ("apiregistration.k8s.io", "v1"),
    ("apps", "v1"),
    ("authentication.k8s.io", "v1"),
    ("authorization.k8s.io", "v1"),
    ("autoscaling", "v2"),
    ("batch", "v1"),
    ("networking.k8s.io", "v1"),
    ("policy", "v1"),
    ("rbac.authorization.k8s.io", "v1"),
    ("storage.k8s.io", "v1"),
    ("apiextensions.k8s.io", "v1"),
];

/// Group, plural, singular, kind, short name, namespaced.
pub(super) type Resource = (&'static str, &'static str, &'static str, &'static str, &'static str, bool);

pub(super) const RESOURCES: &[Resource] = &[
    ("", "configmaps", "configmap", "ConfigMap", "cm", true),
    ("", "endpoints", "endpoints", "Endpoints", "ep", true),
    ("", "events", "event", "Event", "ev", true),
    ("", "namespaces", "namespace", "Namespace", "ns", false),
    ("", "nodes", "node", "Node", "no", false),
    ("", "persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim", "pvc", true),
    ("", "persistentvolumes", "persistentvolume", "PersistentVolume", "pv", false),
    ("", "pods", "pod", "Pod", "po", true),
    ("", "secrets", "secret", "Secret", "", true),
    ("", "serviceaccounts", "serviceaccount", "ServiceAccount", "sa", true),
    ("", "services", "service", "Service", "svc", true),
    ("apps", "daemonsets", "daemonset", "DaemonSet", "ds", true),
    ("apps", "deployments", "deployment", "Deployment", "deploy", true),
    ("apps", "replicasets", "replicaset", "ReplicaSet", "rs", true),
    ("apps", "statefulsets", "statefulset", "StatefulSet", "sts", true),
    ("batch", "cronjobs", "cronjob", "CronJob", "cj", true),
    ("batch", "jobs", "job", "Job", "", true),
    ("networking.k8s.io", "ingresses", "ingress", "Ingress", "ing", true),
    (
        "rbac.authorization.k8s.io",
        "clusterrolebindings",
        "clusterrolebinding",
        "ClusterRoleBinding",
        "",
        false,
    ),
    ("rbac.authorization.k8s.io", "clusterroles", "clusterrole", "ClusterRole", "", false),
    ("rbac.authorization.k8s.io", "rolebindings", "rolebinding", "RoleBinding", "", true),
    ("rbac.authorization.k8s.io", "roles", "role", "Role", "", true),
];

fn group(name: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

/// The answer to a path of discovery.
pub(super) fn answer(parts: &[&str], persona: &Persona) -> Option<Value> {
    match parts {
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": format!("{}:6443", persona.ip)}]})),
        ["apis"] => {
            let groups: Vec<Value> = GROUPS.iter().map(|(n, v)| group(n, v)).collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", name] => {
            let (name, version) = GROUPS.iter().find(|(n, _)| n == name)?;
            let mut found = json!({"kind": "APIGroup", "apiVersion": "v1"});
            if let (Some(found), Value::Object(group)) = (found.as_object_mut(), group(name, version)) {
                found.extend(group);
            }
            Some(found)
        }
        ["api", "v1"] => Some(resources("", "v1")),
        ["apis", name, version] => {
            let (name, version) = GROUPS.iter().find(|(n, v)| n == name && v == version)?;
            Some(resources(name, &format!("{name}/{version}")))
        }
        _ => None,
    }
}

fn resources(group: &str, version: &str) -> Value {
    let one = |(_, plural, singular, kind, short, namespaced): &Resource| {
        let mut resource = json!({"name": plural, "singularName": singular, "namespaced": namespaced, "kind": kind,
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]});
        if !short.is_empty() {
            resource["shortNames"] = json!([short]);
        }
        let workloads = [
            "pods",
            "services",
            "daemonsets",
            "deployments",
            "replicasets",
            "statefulsets",
            "cronjobs",
            "jobs",
        ];
        if workloads.contains(plural) {
            resource["categories"] = json!(["all"]);
        }
        resource
    };
    let list: Vec<Value> = RESOURCES.iter().filter(|r| r.0 == group).map(one).collect();
    json!({"kind": "APIResourceList", "groupVersion": version, "resources": list})
}
