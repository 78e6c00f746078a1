"""What the tools that take paths may read, and how it is read: nothing leaves the folders, no secret is shown."""
