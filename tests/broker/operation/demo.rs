//! The demo on a real Kafka: two workers, one of them killed on the way, and figures that are equal all the same.

use std::process::Command;

use crate::support::broker;
use crate::support::stage::Stage;

#[test]
fn with_a_worker_killed_on_the_way_the_demos_figures_are_equal() {
    let stage = Stage::new("demo", 6);
    let play = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_goyt"));
        command.arg("demo").arg(stage.topologies()).args(["--kafka", "--events", "20000", "--application-id", stage.application()]);
        command.env("KAFKA_BOOTSTRAP_SERVERS", broker::bootstrap());
        let output = command.output().expect("the binary starts");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), text)
    };
    let (code, text) = play();
    assert_eq!(code, Some(0), "{text}");
    for part in ["kill -9 worker-a", "figures are equal.", "can't be seen from here"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    // Where others have written, figures would be mixed.
    let (code, text) = play();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("there are records already on"), "{text}");
}
