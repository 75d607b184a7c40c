//! Which permission each operation needs, and by what name the audit log calls it: the whole API on one page. Pure.
//!
//! What is not listed needs [`Permission::Admin`]; a test compares this table with the API's document.

use shared::Permission::{self, Admin, ReadImports, ReadProducts, Webhooks, WriteImports, WriteProducts};

/// Who may ask for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Everybody, signed in or not.
    Nothing,
    /// Everybody who is signed in, and every key.
    SignedIn,
    /// Who may do this.
    May(Permission),
}

/// One operation of the API.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub method: &'static str,
    /// As actix and the API's document write it.
    pub pattern: &'static str,
    pub need: Need,
    /// Its name in the audit log; `None` for what changes nothing that a person would look for there.
    pub audited: Option<&'static str>,
}

const fn read(pattern: &'static str, need: Need) -> Rule {
    Rule { method: "GET", pattern, need, audited: None }
}

const fn quiet(method: &'static str, pattern: &'static str, need: Need) -> Rule {
    Rule { method, pattern, need, audited: None }
}

const fn write(method: &'static str, pattern: &'static str, need: Need, action: &'static str) -> Rule {
    Rule { method, pattern, need, audited: Some(action) }
}

pub const RULES: &[Rule] = &[
    read("/livez", Need::Nothing),
    read("/readyz", Need::Nothing),
    // Figures tell how much goes on, not what; who scrapes them sends a key of any scope, or asks at METRICS_BIND.
    read("/metrics", Need::SignedIn),
    read("/api/openapi.json", Need::SignedIn),
    read("/api/docs", Need::SignedIn),
    read("/api/docs/{_:.*}", Need::SignedIn),
    // Imports
    read("/api/v1/imports", Need::May(ReadImports)),
    write("POST", "/api/v1/imports", Need::May(WriteImports), "import.create"),
    read("/api/v1/imports/{id}", Need::May(ReadImports)),
    read("/api/v1/imports/{id}/events", Need::May(ReadImports)),
    read("/api/v1/imports/{id}/rejected", Need::May(ReadImports)),
    read("/api/v1/imports/{id}/rejected.csv", Need::May(ReadImports)),
    write("POST", "/api/v1/imports/{id}/cancel", Need::May(WriteImports), "import.cancel"),
    quiet("OPTIONS", "/api/v1/uploads", Need::Nothing),
    quiet("OPTIONS", "/api/v1/uploads/{id}", Need::Nothing),
    write("POST", "/api/v1/uploads", Need::May(WriteImports), "upload.create"),
    quiet("HEAD", "/api/v1/uploads/{id}", Need::May(WriteImports)),
    // One entry for each piece of a file would drown the others; that it was begun is enough.
    quiet("PATCH", "/api/v1/uploads/{id}", Need::May(WriteImports)),
    write("DELETE", "/api/v1/uploads/{id}", Need::May(WriteImports), "upload.delete"),
    // Products
    read("/api/v1/products", Need::May(ReadProducts)),
    write("POST", "/api/v1/products", Need::May(WriteProducts), "product.create"),
    write("DELETE", "/api/v1/products", Need::May(Admin), "product.delete_all"),
    read("/api/v1/products/count", Need::May(ReadProducts)),
    read("/api/v1/products/events", Need::May(ReadProducts)),
    read("/api/v1/products/export.csv", Need::May(ReadProducts)),
    read("/api/v1/products/index", Need::May(ReadProducts)),
    write("POST", "/api/v1/products/bulk", Need::May(WriteProducts), "product.bulk"),
    read("/api/v1/products/jobs", Need::May(ReadProducts)),
    read("/api/v1/products/jobs/{id}", Need::May(ReadProducts)),
    read("/api/v1/products/jobs/{id}/events", Need::May(ReadProducts)),
    write("POST", "/api/v1/products/jobs/{id}/cancel", Need::May(WriteProducts), "product.bulk_cancel"),
    write("POST", "/api/v1/products/restore", Need::May(WriteProducts), "product.restore"),
    read("/api/v1/products/{id}", Need::May(ReadProducts)),
    write("PUT", "/api/v1/products/{id}", Need::May(WriteProducts), "product.update"),
    write("PATCH", "/api/v1/products/{id}", Need::May(WriteProducts), "product.update"),
    write("DELETE", "/api/v1/products/{id}", Need::May(WriteProducts), "product.delete"),
    // Webhooks
    read("/api/v1/webhooks", Need::May(Webhooks)),
    write("POST", "/api/v1/webhooks", Need::May(Webhooks), "webhook.create"),
    read("/api/v1/webhooks/deliveries", Need::May(Webhooks)),
    read("/api/v1/webhooks/deliveries/{id}", Need::May(Webhooks)),
    write("POST", "/api/v1/webhooks/deliveries/{id}/redeliver", Need::May(Webhooks), "webhook.redeliver"),
    read("/api/v1/webhooks/events", Need::May(Webhooks)),
    read("/api/v1/webhooks/{id}", Need::May(Webhooks)),
    write("PATCH", "/api/v1/webhooks/{id}", Need::May(Webhooks), "webhook.update"),
    write("DELETE", "/api/v1/webhooks/{id}", Need::May(Webhooks), "webhook.delete"),
    write("POST", "/api/v1/webhooks/{id}/replay", Need::May(Webhooks), "webhook.replay"),
    write("POST", "/api/v1/webhooks/{id}/rotate", Need::May(Webhooks), "webhook.rotate"),
    write("POST", "/api/v1/webhooks/{id}/test", Need::May(Webhooks), "webhook.test"),
    // Access. A sign-in and the setup write their own entries, for they know the name.
    read("/api/v1/session", Need::SignedIn),
    quiet("POST", "/api/v1/session", Need::Nothing),
    quiet("POST", "/api/v1/setup", Need::Nothing),
    write("DELETE", "/api/v1/session", Need::SignedIn, "session.sign_out"),
    write("POST", "/api/v1/session/password", Need::SignedIn, "person.change_password"),
    read("/api/v1/sessions", Need::SignedIn),
    write("DELETE", "/api/v1/sessions", Need::SignedIn, "session.end_all"),
    write("DELETE", "/api/v1/sessions/{id}", Need::SignedIn, "session.end"),
    read("/api/v1/people", Need::May(Admin)),
    write("POST", "/api/v1/people", Need::May(Admin), "person.create"),
    write("PATCH", "/api/v1/people/{id}", Need::May(Admin), "person.update"),
    write("DELETE", "/api/v1/people/{id}", Need::May(Admin), "person.delete"),
    write("DELETE", "/api/v1/people/{id}/sessions", Need::May(Admin), "person.sign_out"),
    read("/api/v1/keys", Need::May(Admin)),
    write("POST", "/api/v1/keys", Need::May(Admin), "key.create"),
    write("DELETE", "/api/v1/keys/{id}", Need::May(Admin), "key.revoke"),
    read("/api/v1/audit", Need::May(Admin)),
    read("/api/v1/audit.csv", Need::May(Admin)),
];

/// Returns what an operation requires. `pattern` is absent where the API has no such path: then it is a file of the page,
/// which is public, or a mistake. `path` must be the one that the router compares (`guard::routed_path`).
pub fn rule(method: &str, pattern: Option<&str>, path: &str) -> Rule {
    let listed = RULES.iter().find(|rule| Some(rule.pattern) == pattern && rule.method == method);
    if let Some(rule) = listed {
        return *rule;
    }
    let need = match pattern {
        None if !path.starts_with("/api/") && matches!(method, "GET" | "HEAD") => Need::Nothing,
        None => Need::SignedIn,
        Some(_) => Need::May(Admin),
    };
    Rule { method: "", pattern: "", need, audited: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi;

    #[test]
    fn every_operation_has_one_rule_and_every_rule_an_operation() {
        let document = serde_json::to_value(openapi::document()).expect("serialises");
        let mut operations = Vec::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            operations.extend(
                methods.as_object().expect("methods").keys().map(|method| (method.to_uppercase(), path.clone())),
            );
        }
        let mut ruled: Vec<_> = RULES
            .iter()
            .filter(|rule| !rule.pattern.starts_with("/api/docs") && rule.pattern != "/api/openapi.json")
            .map(|rule| (rule.method.to_owned(), rule.pattern.to_owned()))
            .collect();
        operations.sort_unstable();
        ruled.sort_unstable();
        assert_eq!(ruled, operations);
    }

    #[test]
    fn what_is_not_listed_is_for_admins() {
        assert_eq!(rule("TRACE", Some("/api/v1/products"), "/api/v1/products").need, Need::May(Admin));
        assert_eq!(rule("GET", None, "/api/v1/nothing").need, Need::SignedIn);
        assert_eq!(rule("GET", None, "/products/7").need, Need::Nothing);
        assert_eq!(rule("POST", None, "/products/7").need, Need::SignedIn);
    }
}
