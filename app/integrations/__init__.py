"""Other programs beside the desk: webhooks that tell them, and customer data that they tell us."""
