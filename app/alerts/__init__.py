"""Roll-ups of measures by the minute, over all servers, and the alert engine: rules about series and budgets, and their notices."""
