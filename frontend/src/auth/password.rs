//! Password fields, and the rules of a new password while it is typed.

use leptos::{html, prelude::*};
use shared::auth::{MIN_PASSWORD_CHARS, check_password};

use super::labels::sentence;

/// 32 letters and digits that are not confused when they are read aloud or copied by hand.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Characters of a generated password: 5 bits each, 100 in all.
const GENERATED_CHARS: usize = 20;

/// The purpose of a password field, as in HTML's `autocomplete`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Current,
    New,
}

impl Use {
    const fn autocomplete(self) -> &'static str {
        match self {
            Self::Current => "current-password",
            Self::New => "new-password",
        }
    }
}

/// A password field, with a button that shows the password.
#[component]
pub fn PasswordField(
    /// Unique on the page, also for tests.
    id: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    usage: Use,
    /// The error, as a sentence.
    #[prop(into)]
    problem: Signal<Option<String>>,
    /// Ids of further elements that describe it, for screen readers.
    #[prop(optional)]
    described_by: &'static str,
    /// Whether the password is visible.
    #[prop(optional)]
    visible: RwSignal<bool>,
    #[prop(optional)] node_ref: NodeRef<html::Input>,
) -> impl IntoView {
    let error_id = format!("{id}-error");
    let described_by = format!("{error_id} {described_by}").trim_end().to_owned();
    let input_type = move || if visible.get() { "text" } else { "password" };
    let show = move || if visible.get() { "Hide" } else { "Show" };
    view! {
        <div class="field">
            <label class="field-label" for=id>
                {label}
            </label>
            <div class="password">
                <input
                    class="input"
                    id=id
                    data-testid=id
                    node_ref=node_ref
                    type=input_type
                    autocomplete=usage.autocomplete()
                    autocapitalize="off"
                    spellcheck="false"
                    aria-invalid=move || problem.with(Option::is_some).then_some("true")
                    aria-describedby=described_by
                    prop:value=value
                    on:input=move |event| value.set(event_target_value(&event))
                />
                <button
                    type="button"
                    class="password-show"
                    data-testid=format!("show-{id}")
                    aria-label=move || format!("{} {}", show(), label.to_lowercase())
                    on:click=move |_| visible.update(|visible| *visible = !*visible)
                >
                    {show}
                </button>
            </div>
            <p class="field-error" id=error_id role="alert" data-testid=format!("{id}-error")>
                {move || problem.get()}
            </p>
        </div>
    }
}

/// A field for a new password. Shows the rules that it does not meet.
#[component]
pub fn NewPasswordField(
    id: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    /// The name of the user, which must not be most of the password.
    #[prop(into)]
    name: Signal<String>,
    /// The form was submitted: a rule that is not met is an error from now on.
    #[prop(into)]
    submitted: Signal<bool>,
    /// The error from the server.
    #[prop(into)]
    server_error: Signal<Option<String>>,
    /// Whether it has a button to generate a password.
    #[prop(optional)]
    can_generate: bool,
) -> impl IntoView {
    let visible = RwSignal::new(false);
    let found = Memo::new(move |_| value.with(|value| name.with(|name| check_password("password", value, name))));
    let problem = Memo::new(move |_| {
        let found = found.get().map(|error| error.message).filter(|_| submitted.get());
        found.or_else(|| server_error.get()).map(|message| sentence(label, &message))
    });
    let rule_id = format!("{id}-rule");
    let rule = move || match (problem.get(), found.get(), value.with(String::is_empty)) {
        (Some(_), ..) => String::new(),
        (None, None, _) => "Good".to_owned(),
        (None, _, true) => format!("At least {MIN_PASSWORD_CHARS} characters. A few unrelated words make a good one."),
        (None, Some(error), false) => {
            let chars = value.with(|value| value.chars().count());
            if chars < MIN_PASSWORD_CHARS {
                format!("{chars} of at least {MIN_PASSWORD_CHARS} characters")
            } else {
                sentence(label, &error.message)
            }
        }
    };
    let valid = move || found.with(Option::is_none).to_string();
    let generate = move |_| {
        if let Some(password) = generate_password() {
            visible.set(true);
            value.set(password);
        }
    };
    view! {
        <div class="new-password">
            <PasswordField id label value usage=Use::New problem visible />
            <div class="password-foot">
                <p class="password-rule" id=rule_id data-valid=valid data-testid=format!("{id}-rule") aria-live="polite">
                    {rule}
                </p>
                {can_generate.then(|| view! {
                    <button type="button" class="link-button" data-testid=format!("generate-{id}") on:click=generate>
                        "Generate"
                    </button>
                })}
            </div>
        </div>
    }
}

/// Returns a random password; `None` if the browser has no random number generator.
fn generate_password() -> Option<String> {
    let mut bytes = [0; GENERATED_CHARS];
    window().crypto().ok()?.get_random_values_with_u8_array(&mut bytes).ok()?;
    Some(format_password(bytes))
}

/// In groups of five, which are easier to read aloud.
fn format_password(bytes: [u8; GENERATED_CHARS]) -> String {
    let letter = |byte: &u8| char::from(ALPHABET[usize::from(byte % 32)]);
    let groups: Vec<String> = bytes.chunks(5).map(|group| group.iter().map(letter).collect()).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_password_meets_the_rules_and_can_contain_all_letters() {
        let mut bytes = [0; GENERATED_CHARS];
        for (byte, value) in bytes.iter_mut().zip(0..) {
            *byte = value;
        }
        let generated = format_password(bytes);
        assert_eq!(generated, "abcde-fghij-kmnpq-rstuv");
        assert!(check_password("password", &generated, "Ada").is_none());
        assert_eq!(format_password([255; GENERATED_CHARS]).len(), GENERATED_CHARS + 3);
        let distinct: std::collections::HashSet<_> = ALPHABET.iter().collect();
        assert_eq!(distinct.len(), 32, "each letter encodes five bits");
    }
}
