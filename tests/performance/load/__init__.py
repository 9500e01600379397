"""The load test's parts: `people` (what a user does), `profiles` (how many there are when), `record` (what came of it), `watch` (the server
meanwhile), `verdict` (whether it was good enough)."""
