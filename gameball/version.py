"""The SDK's version: its first part follows the API's."""

__version__ = "3.0.0"
