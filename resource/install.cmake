# What both CMakeLists.txt of posemo_ros share: the Python package, its executables and its files.
# Needs ament_cmake_python.
get_filename_component(posemo_root "${CMAKE_CURRENT_LIST_DIR}" DIRECTORY)

# The executables of `ros2 run` are listed apart from setup.cfg: pip must not put commands
# with such general names onto a user's path.
ament_python_install_package(posemo_ros
  PACKAGE_DIR "${posemo_root}/posemo_ros"
  SETUP_CFG "${posemo_root}/resource/executables.cfg"
  SCRIPTS_DESTINATION lib/posemo_ros
)

foreach(folder launch config models demo)
  install(DIRECTORY "${posemo_root}/${folder}" DESTINATION share/posemo_ros)
endforeach()

# The definitions as text: bags are written and read without ROS.
file(GLOB definitions CONFIGURE_DEPENDS "${posemo_root}/msg/*.msg")
install(FILES ${definitions} DESTINATION share/posemo_ros/msg)
