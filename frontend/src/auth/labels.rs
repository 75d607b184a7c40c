//! Labels of roles and scopes, and sentences for errors. Pure.

use shared::auth::{Role, Scope};

pub const fn role(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Viewer",
        Role::Editor => "Editor",
        Role::Admin => "Admin",
        Role::Unknown => "Unknown role",
    }
}

/// Describes the permissions of a role.
pub const fn role_note(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Can view and export products, and view imports",
        Role::Editor => "Can also change products and import files",
        Role::Admin => "Full access: also webhooks, users, keys, deleting all products",
        Role::Unknown => "No permissions",
    }
}

/// Describes the permissions of a scope.
pub const fn scope_note(scope: Scope) -> &'static str {
    match scope {
        Scope::ProductsRead => "View and export products",
        Scope::ProductsWrite => "Also add, change and delete products",
        Scope::Imports => "View, start and cancel imports",
        Scope::Webhooks => "View and manage webhooks",
        Scope::Admin => "Manage users and keys, read the audit log, delete all products",
        Scope::Unknown => "Unknown scope",
    }
}

/// Returns the path after `/api/v1` of a request that a key with the first of these scopes allows.
pub fn example_path(scopes: &[Scope]) -> &'static str {
    match scopes.first() {
        None | Some(Scope::ProductsRead | Scope::ProductsWrite) => "/products?limit=5",
        Some(Scope::Imports) => "/imports?limit=5",
        Some(Scope::Webhooks) => "/webhooks",
        Some(Scope::Admin | Scope::Unknown) => "/users",
    }
}

/// Returns an error of a field as a sentence. Messages that describe the field are preceded by its label.
pub fn sentence(label: &str, message: &str) -> String {
    if let Some("is" | "has" | "must" | "contains") = message.split(' ').next() {
        return format!("{label} {message}");
    }
    let mut chars = message.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use shared::auth::{check_name, check_password};

    use super::*;

    #[test]
    fn errors_become_sentences() {
        let name = |name: &str| sentence("The name", &check_name(name).expect("wrong").message);
        assert_eq!(name(""), "Enter a name");
        assert_eq!(name(&"x".repeat(65)), "The name has 65 characters; at most 64 are allowed");
        let password = check_password("password", "short", "Ada").expect("wrong").message;
        assert!(sentence("The password", &password).starts_with("The password must have at least 12"));
        assert_eq!(sentence("x", ""), "");
    }

    #[test]
    fn the_example_is_allowed_by_the_scopes() {
        assert_eq!(example_path(&[Scope::Imports, Scope::Admin]), "/imports?limit=5");
        assert_eq!(example_path(&[]), "/products?limit=5");
    }
}
