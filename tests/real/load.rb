# Loads the library that units.json names into this process, which defines all that compiled methods call, and looks up every
# symbol that units.json promises: `load.rb OUT_DIR` prints them.
require 'fiddle'
require 'json'

out_dir = ARGV.fetch(0)
units = JSON.parse(File.read(File.join(out_dir, 'units.json'))).fetch('units')
# Everything bound at once, so that a function that Ruby lacks is an error here.
flags = Fiddle::RTLD_NOW | Fiddle::RTLD_GLOBAL
libraries = Hash.new { |known, name| known[name] = Fiddle::Handle.new(File.join(out_dir, name), flags) }
units.each do |unit|
  unit.fetch('symbols').each do |symbol|
    raise "#{symbol} is at 0" if libraries[unit.fetch('library')][symbol].zero?

    puts symbol
  end
end
