//! A group of checkboxes.

use leptos::prelude::*;

#[component]
pub fn Choices<T>(
    legend: &'static str,
    /// All options.
    all: &'static [T],
    /// The selected options, in the order of `all`.
    ticked: RwSignal<Vec<T>>,
    /// Returns the name of an option.
    word: fn(T) -> &'static str,
    /// Returns what an option means.
    note: fn(T) -> &'static str,
    /// Prefix of the test ids of the options.
    testid: &'static str,
    /// The error, as a sentence.
    #[prop(into)]
    problem: Signal<Option<String>>,
    /// Test id of the error.
    error_testid: &'static str,
) -> impl IntoView
where
    T: Copy + PartialEq + Send + Sync + 'static,
{
    let toggle = move |one: T| {
        ticked.update(|ticked| {
            let stays = |choice: &T| ticked.contains(choice) != (*choice == one);
            *ticked = all.iter().copied().filter(stays).collect();
        });
    };
    let choice = move |choice: T| {
        view! {
            <label class="event-choice">
                <input
                    type="checkbox"
                    class="tick"
                    data-testid=format!("{testid}-{}", word(choice))
                    aria-invalid=move || problem.with(Option::is_some).then_some("true")
                    prop:checked=move || ticked.with(|ticked| ticked.contains(&choice))
                    on:change=move |_| toggle(choice)
                />
                <span>
                    <code>{word(choice)}</code>
                    <span class="event-note">{note(choice)}</span>
                </span>
            </label>
        }
    };
    view! {
        <fieldset class="field event-choices">
            <legend class="field-label">{legend}</legend>
            {all.iter().copied().map(choice).collect_view()}
            <p class="field-error" role="alert" data-testid=error_testid>
                {move || problem.get()}
            </p>
        </fieldset>
    }
}
