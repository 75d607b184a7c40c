use leptos::prelude::*;

/// Some of several, each with a note: boxes to tick.
#[component]
pub fn Choices<T>(
    legend: &'static str,
    /// All that there are.
    all: &'static [T],
    /// Those that are ticked, in the order of all, whichever was ticked first.
    ticked: RwSignal<Vec<T>>,
    /// What one is called.
    word: fn(T) -> &'static str,
    /// What one means.
    note: fn(T) -> &'static str,
    /// With `-` and its word behind it, name of one for tests.
    testid: &'static str,
    /// What is wrong with them, as a sentence.
    #[prop(into)]
    problem: Signal<Option<String>>,
    /// Name of what is wrong for tests.
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
