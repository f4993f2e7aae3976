//! Starts the designer in the browser.

fn main() {
    leptos::mount::mount_to_body(frontend::app::App);
}
