//! Fields for passwords: shown or not, and for a new one the rules while it is typed.

use leptos::{html, prelude::*};
use shared::auth::{MIN_PASSWORD_CHARS, check_password};

use super::words::sentence;

/// Letters and digits that are not taken for each other when they are read aloud or copied by hand: 32 of them.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Characters of a password that is made here: 5 bits each, 100 in all.
const MADE_CHARS: usize = 20;

/// What a field for a password is for, in the words of HTML's `autocomplete`.
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

/// A password, with a button that shows it.
#[component]
pub fn PasswordField(
    /// Unique on the page, also for tests.
    id: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    usage: Use,
    /// What is wrong with it, as a sentence.
    #[prop(into)]
    problem: Signal<Option<String>>,
    /// What is known beside that; ids of elements, for screen readers.
    #[prop(optional)]
    described_by: &'static str,
    /// Whether it can be read.
    #[prop(optional)]
    shown: RwSignal<bool>,
    #[prop(optional)] node_ref: NodeRef<html::Input>,
) -> impl IntoView {
    let error_id = format!("{id}-error");
    let described_by = format!("{error_id} {described_by}").trim_end().to_owned();
    let kind = move || if shown.get() { "text" } else { "password" };
    let show = move || if shown.get() { "Hide" } else { "Show" };
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
                    type=kind
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
                    on:click=move |_| shown.update(|shown| *shown = !*shown)
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

/// A password that is chosen now: its rules are told as long as it does not keep them.
#[component]
pub fn NewPasswordField(
    id: &'static str,
    label: &'static str,
    value: RwSignal<String>,
    /// Whose it will be: it must be more than that.
    #[prop(into)]
    name: Signal<String>,
    /// Somebody wanted to save it: what is wrong is an error from now on.
    #[prop(into)]
    submitted: Signal<bool>,
    /// What the server found wrong with it.
    #[prop(into)]
    refused: Signal<Option<String>>,
    /// Whether one can be made here.
    #[prop(optional)]
    offers: bool,
) -> impl IntoView {
    let shown = RwSignal::new(false);
    let found = Memo::new(move |_| value.with(|value| name.with(|name| check_password("password", value, name))));
    let problem = Memo::new(move |_| {
        let found = found.get().map(|error| error.message).filter(|_| submitted.get());
        found.or_else(|| refused.get()).map(|message| sentence(label, &message))
    });
    let rule_id = format!("{id}-rule");
    let rule = move || match (problem.get(), found.get(), value.with(String::is_empty)) {
        (Some(_), ..) => String::new(),
        (None, None, _) => "Good".to_owned(),
        (None, _, true) => format!("At least {MIN_PASSWORD_CHARS} characters; a few words make a good one."),
        (None, Some(error), false) => {
            let chars = value.with(|value| value.chars().count());
            if chars < MIN_PASSWORD_CHARS {
                format!("{chars} of at least {MIN_PASSWORD_CHARS} characters")
            } else {
                sentence(label, &error.message)
            }
        }
    };
    let kept = move || found.with(Option::is_none).to_string();
    let make = move |_| {
        if let Some(made) = make_password() {
            shown.set(true);
            value.set(made);
        }
    };
    view! {
        <div class="new-password">
            <PasswordField id label value usage=Use::New problem shown />
            <div class="password-foot">
                <p class="password-rule" id=rule_id data-kept=kept data-testid=format!("{id}-rule") aria-live="polite">
                    {rule}
                </p>
                {offers.then(|| view! {
                    <button type="button" class="link-button" data-testid=format!("make-{id}") on:click=make>
                        "Make one"
                    </button>
                })}
            </div>
        </div>
    }
}

/// A password that nobody guesses; `None` where the browser has no random numbers.
fn make_password() -> Option<String> {
    let mut bytes = [0; MADE_CHARS];
    window().crypto().ok()?.get_random_values_with_u8_array(&mut bytes).ok()?;
    Some(spell(bytes))
}

/// In groups of five, so that it can be read out.
fn spell(bytes: [u8; MADE_CHARS]) -> String {
    let letter = |byte: &u8| char::from(ALPHABET[usize::from(byte % 32)]);
    let groups: Vec<String> = bytes.chunks(5).map(|group| group.iter().map(letter).collect()).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_keeps_the_rules_and_uses_all_letters() {
        let mut bytes = [0; MADE_CHARS];
        for (byte, value) in bytes.iter_mut().zip(0..) {
            *byte = value;
        }
        let made = spell(bytes);
        assert_eq!(made, "abcde-fghij-kmnpq-rstuv");
        assert!(check_password("password", &made, "Ada").is_none());
        assert_eq!(spell([255; MADE_CHARS]).len(), MADE_CHARS + 3);
        let distinct: std::collections::HashSet<_> = ALPHABET.iter().collect();
        assert_eq!(distinct.len(), 32, "each letter stands for five bits");
    }
}
