//! Starts the designer in the browser.

fn main() {
    frontend::shell::register();
    leptos::mount::mount_to_body(frontend::app::App);
}
