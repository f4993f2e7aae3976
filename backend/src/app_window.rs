//! `--app`: the designer in a window of its own, drawn by a browser that is there.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Browsers that open a page as an application, by the names of their programs.
const PROGRAMS: [&str; 10] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "microsoft-edge-stable",
    "brave-browser",
    "vivaldi",
    "chrome",
    "msedge",
];

/// Where they are on macOS and Windows, which do not have them on the PATH.
const PLACES: [&str; 5] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
];

/// Opens the window, or says what to do.
pub fn open(url: &str) {
    let Some(program) = find() else {
        println!(
            "No browser was found that opens windows of its own (Chromium, Chrome or Edge). Install one, or open {url} in any \
             browser."
        );
        return;
    };
    let started = Command::new(&program)
        .arg(format!("--app={url}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        // The browser outlives the server, or hands over to one that runs and ends at once: it is reaped in either case.
        Ok(mut child) => drop(std::thread::spawn(move || child.wait())),
        Err(error) => println!("{} does not start ({error}). Open {url} in any browser.", program.display()),
    }
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let extension = std::env::consts::EXE_SUFFIX;
    let named = PROGRAMS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(format!("{name}{extension}"))));
    named.chain(PLACES.iter().map(PathBuf::from)).find(|program| program.is_file())
}
