"""What is durable, frozen: names, schema versions and shapes of all that this code stores."""
