//! What roles, scopes and problems are called on the pages. Pure.

use shared::auth::{Role, Scope};

pub const fn role(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Viewer",
        Role::Editor => "Editor",
        Role::Admin => "Admin",
    }
}

/// What somebody with that role may do.
pub const fn role_note(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Sees and exports products, sees imports",
        Role::Editor => "Changes products and imports files as well",
        Role::Admin => "May do everything: webhooks, people, keys, deleting all products",
    }
}

/// What a key with that scope may do.
pub const fn scope_note(scope: Scope) -> &'static str {
    match scope {
        Scope::ProductsRead => "See and export products",
        Scope::ProductsWrite => "The same, and add, change and delete them",
        Scope::Imports => "See, begin and cancel imports",
        Scope::Webhooks => "See and manage webhooks",
        Scope::Admin => "Manage people and keys, read the audit log, delete all products",
    }
}

/// A request that shows that a key with the first of these scopes is good: what follows `/api/v1`.
pub fn example_path(scopes: &[Scope]) -> &'static str {
    match scopes.first() {
        None | Some(Scope::ProductsRead | Scope::ProductsWrite) => "/products?limit=5",
        Some(Scope::Imports) => "/imports?limit=5",
        Some(Scope::Webhooks) => "/webhooks",
        Some(Scope::Admin) => "/people",
    }
}

/// A problem of a field as a sentence that can stand below it: what says how the field is begins with its label.
pub fn sentence(label: &str, message: &str) -> String {
    if let Some("is" | "has" | "must") = message.split(' ').next() {
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
    fn what_the_rules_say_reads_as_a_sentence() {
        let name = |name: &str| sentence("The name", &check_name(name).expect("wrong").message);
        assert_eq!(name(""), "Give a name");
        assert_eq!(name(&"x".repeat(65)), "The name is 65 characters long; at most 64 are possible");
        let password = check_password("password", "short", "Ada").expect("wrong").message;
        assert!(sentence("The password", &password).starts_with("The password must have at least 12"));
        assert_eq!(sentence("x", ""), "");
    }

    #[test]
    fn the_example_asks_for_what_the_key_may_see() {
        assert_eq!(example_path(&[Scope::Imports, Scope::Admin]), "/imports?limit=5");
        assert_eq!(example_path(&[]), "/products?limit=5");
    }
}
