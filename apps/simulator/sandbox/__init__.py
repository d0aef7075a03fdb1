"""The sandbox: a believable company and thirty days of its life, made through the commands."""
